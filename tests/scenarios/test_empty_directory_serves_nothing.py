"""A directory without a file: the daemon starts, serves nothing, says so, and ends well."""


def test_it_starts_and_says_that_it_serves_nothing(daemon):
    daemon.start()

    assert daemon.status()["apps"] == []
    assert "nothing is served" in daemon.log()
    daemon.stop()
