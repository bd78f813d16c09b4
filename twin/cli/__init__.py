"""The `twin` command, a file a subcommand. Heavy imports wait until a command is really called."""


def main() -> None:
    """Run the `twin` command; what a user caused is told in one message, with its exit code."""
    import sys

    from twin.cli.group import app
    from twin.errors import TwinError

    try:
        app()(prog_name="twin")
    except TwinError as error:
        print(f"twin: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
