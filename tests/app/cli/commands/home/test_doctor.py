"""`tightloop doctor` as a user meets it: a line for each thing, what to do, and how it ends."""

import json

from click.testing import CliRunner

from tightloop.adapters.stores.home import Home
from tightloop.app.cli.commands.home.doctor import doctor


def run(*arguments):
    return CliRunner().invoke(doctor, [str(argument) for argument in arguments])


def test_each_thing_has_a_line_and_no_problem_ends_with_0(tmp_path):
    result = run("--home", tmp_path / "h")
    assert result.exit_code == 0, result.stdout
    lines = result.stdout.splitlines()
    assert all(line.split()[0] in ("ok", "warning") for line in lines)
    names = [json_line["name"] for json_line in json.loads(run("--home", tmp_path / "h", "--json").stdout)]
    assert len(names) == len(lines)


def test_a_problem_ends_with_1_and_says_what_to_do(tmp_path):
    home = Home(tmp_path / "h")
    home.make()
    home.root.chmod(0o777)
    result = run("--home", home.root)
    assert result.exit_code == 1
    assert f"problem  permissions: {home.root}: others may change what is in it; chmod 700 {home.root}" in result.stdout


def test_a_url_or_a_login_without_a_venue_is_refused(tmp_path):
    for option, value in (("--url", "http://127.0.0.1:1"), ("--login", "main")):
        result = run("--home", tmp_path, option, value)
        assert result.exit_code == 2
        assert "add --venue" in result.stderr
