"""What an app runs with is not always what its file says: `fproxy plan` goes by what runs."""
import json

from harness import EchoProcess, app, free_ports


def test_ports_of_an_app_that_a_rollback_holds(daemon, started):
    kept, given_up = free_ports(2)
    target = started(EchoProcess())
    daemon.write_apps(app("aa", [kept, given_up], [target]))
    daemon.start()
    daemon.replace_apps(app("aa", [kept], [target]))
    daemon.apply()
    assert daemon.rollback("aa")["outcome"] == "done"
    copy = daemon.directory / "next"
    copy.mkdir()
    for file in daemon.config.glob("*.conf"):
        (copy / file.name).write_text(file.read_text())
    (copy / "20-zz.conf").write_text(
        'apps = (%s);' % app("zz", f"127.0.0.1:{given_up}", [target]))

    answer = daemon.run("fproxy", "plan", copy)
    assert answer.returncode == 1, answer.stdout
    assert f"zz: port 127.0.0.1:{given_up} is in use by app aa" in answer.stdout
    plan = json.loads(daemon.run("fproxy", "plan", "--json", copy).stdout)
    refused, = plan["refused"]
    assert (refused["app"], refused["certain"], plan["valid"]) == ("zz", True, False)

    # That is what comes of it.
    daemon.write("20-zz.conf", (copy / "20-zz.conf").read_text())
    held, = [held for held in daemon.reload()["held_back"] if held["app"] == "zz"]
    assert "aa" in held["reason"]


def test_ports_that_their_app_gives_up(daemon, started):
    """In the same change, or with the app: nothing stands in the way."""
    kept, moves, goes = free_ports(3)
    target = started(EchoProcess())
    daemon.write_apps(app("aa", [kept, moves], [target]), app("old", goes, [target]))
    daemon.start()
    copy = daemon.directory / "next"
    copy.mkdir()
    (copy / "10-apps.conf").write_text("apps = (%s, %s);" % (
        app("aa", [kept], [target]), app("zz", [moves, goes], [target])))

    answer = daemon.run("fproxy", "plan", copy)
    assert answer.returncode == 0, answer.stdout
    assert "is in use" not in answer.stdout
