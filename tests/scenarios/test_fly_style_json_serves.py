"""A *.json file in the style of the first fproxy is a configuration too."""
import json

from harness import EchoProcess, app, ask, asks, free_ports


def test_its_apps_serve_beside_those_of_conf_files(daemon, started):
    ports = free_ports(3)
    targets = [started(EchoProcess("one")), started(EchoProcess("two"))]
    daemon.write("apps.json", json.dumps({"Apps": [
        {"Name": "five-thousand", "Ports": ports[:2],
         "Targets": [target.address for target in targets]}]}))
    daemon.write_apps(app("web", ports[2], targets[:1]))
    daemon.start()

    assert set(asks(ports[0], 4)) == set(asks(ports[1], 4)) == {"one", "two"}
    assert ask(ports[2]) == "one"
    assert daemon.status("five-thousand")["ports"] == ports[:2]


def test_its_errors_are_told_as_any(daemon):
    daemon.write("apps.json", '{"Apps": [\n{"Name": "a", "Ports": [0],\n "Target": ["b:1"]}]}')
    answer = daemon.run("fproxy", "check")

    assert answer.returncode == 1
    assert "apps.json:2: a: Ports: " in answer.stderr
    assert "apps.json:3: a: Target" in answer.stderr and "Targets" in answer.stderr
