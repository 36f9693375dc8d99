"""The command group, and the one place where exceptions become exit codes.

Neighbours: the commands are loaded when they are called, so that `--help` stays quick. No traceback
reaches a user: what is the user's is one line with code 2, what is ours asks to be reported with code 70.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback

import click

from emu.words import printable

EXIT_USAGE, EXIT_MISSING, EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 4, 70, 130, 141
COMMANDS = {
    "run": "Cut the power at every flash write of an update, and judge what survives.",
    "boot": "Boot an ELF on its board, uncut, and print what it does.",
    "replay": "Reproduce one finding, step by step.",
    "sweep": "Cut a real board's power, or a process, at times all over an update.",
    "ota": "Update a device over serial, TCP, WebSocket, HTTP or MQTT: an emulated one, or a real one.",
    "call": "Call an RPC method of a device.",
    "console": "Show what a device prints, and type to it.",
    "verify": "Derive a certificate again: run the same campaign and compare.",
    "bench": "What an update costs on a board: throughput, stalls, boot, commit, wear; a gate.",
    "serve": "Serve an emulated device on real links: serial, TCP, HTTP, WebSocket, MQTT.",
    "shadow": "Serve the shadow of a device through a broker, and wait for the update it desires.",
    "pack": "Make a firmware .zip from an image, and sign it.",
    "inspect": "Explain a firmware .zip, an image file or the content of a flash.",
    "flash": "Convert and edit flash images.",
    "header": "Print the folder of brownout.h, for firmware in C.",
    "new": "Write a starting point: a board, a firmware of your own, and its tests.",
    "parts": "List the flash parts, or explain one with its sources.",
    "doctor": "Say whether this installation is sound, and what to do where it is not.",
}


class _LazyGroup(click.Group):
    """Knows its commands by name and one line; imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"emu.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="brownout", prog_name="brownout")
def _cli() -> None:
    """Find out whether losing power in a firmware update can brick a device.

    Exit codes: 0 held, 1 findings, 2 usage, 3 inconclusive or not reproduced, 4 missing extra, 5 nothing to run,
    70 internal error, 130 interrupted, 141 broken pipe.
    """


def run_command(arguments: list[str] | None) -> int:
    """Run one command; returns its exit code. Streams that are closed are replaced by nothing at all."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for life
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a name it cannot say must not cost the result
    try:
        code = _cli.main(args=arguments, prog_name="brownout", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as page:
        _say(page.format_message())
        return EXIT_USAGE
    except click.ClickException as wrong:
        _say(f"brownout: {printable(' '.join(wrong.format_message().split()))}{_board_hint(wrong)}")
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit):  # click turns a broken pipe into SystemExit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_BROKEN_PIPE
    except ImportError as wrong:
        return _not_importable(wrong)
    except Exception as wrong:
        return _failed(wrong)
    return code if isinstance(code, int) else 0


def _board_hint(wrong: click.ClickException) -> str:
    """Some commands take a board as their argument, most as an option, and nobody remembers which."""
    context = wrong.ctx if isinstance(wrong, click.UsageError) else None
    if context is None or "extra argument" not in wrong.message or ".toml" not in wrong.message:
        return ""
    takes_board = any("--board" in parameter.opts for parameter in context.command.params)
    return "; a board file is given as --board FILE" if takes_board else ""


def _say(text: str) -> None:
    """One message on stderr; a stderr that cannot take it changes no exit code."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def _was_printing(wrong: OSError) -> bool:
    """Whether it struck a write to stdout, which names no file."""
    frame = [frame for frame, _ in traceback.walk_tb(wrong.__traceback__)][-1]
    if frame.f_code is click.echo.__code__:
        return not frame.f_locals["err"]
    return frame.f_code is run_command.__code__  # its flush


def _not_importable(wrong: ImportError) -> int:
    """A library is missing or broken, or another package has our name: nothing of ours may be loaded to say so."""
    if os.environ.get("BROWNOUT_TRACEBACK"):
        raise wrong
    _say(
        f"brownout: {printable(str(wrong))}: `brownout doctor` says what is wrong with this installation; if it says "
        "SOUND, please report this"
    )
    return EXIT_MISSING


def _failed(wrong: Exception) -> int:
    from emu.errors import EngineLost, LinkLost, MissingExtra, NothingToRun, RigLost, UsageError
    from flash.errors import FlashError

    if isinstance(wrong, UsageError | EngineLost | RigLost | LinkLost | NothingToRun | MissingExtra):
        _say(f"brownout: {printable(str(wrong))}")
        return wrong.exit_code
    if isinstance(wrong, FlashError):
        _say(f"brownout: {printable(str(wrong))}")
        return EXIT_USAGE
    if isinstance(wrong, OSError):
        where = f"{wrong.filename}: " if wrong.filename else "stdout: " if _was_printing(wrong) else ""
        _say(f"brownout: {printable(f'{where}{wrong.strerror or wrong}')}")
        return EXIT_USAGE
    if os.environ.get("BROWNOUT_TRACEBACK"):
        raise wrong
    _say(
        f"brownout: internal error: {type(wrong).__name__}: {wrong}\n"
        "This is our fault. Please report it, with the command and the output of the same command with "
        "BROWNOUT_TRACEBACK=1 set."
    )
    return EXIT_INTERNAL
