from click.testing import CliRunner

import tightloop
from tightloop.app.cli.main import main


def test_the_version_is_printed_and_the_command_is_listed():
    assert CliRunner().invoke(main, ["version"]).output == f"{tightloop.__version__}\n"
    assert "Print the version of the engine." in CliRunner().invoke(main, ["--help"]).output
