"""Commands of the service: serve, token.

The service is imported when one of them runs: no other command has to wait for it.
"""

import ipaddress
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.shared import BadInput, MappingsOption, err, mapping_folder, out, plural

if TYPE_CHECKING:
    from api.http.dev_issuer import DevIssuer
    from api.http.serving import Serving
    from api.http.settings import Settings

app = typer.Typer()
_ISSUER, _KEYS, _MAPPINGS = "ONCOLAKE_ISSUER", "ONCOLAKE_KEYS", "ONCOLAKE_MAPPINGS"


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that serve.")] = 1,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A TLS certificate (PEM), with its chain.")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate's key (PEM).")] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="A proxy, or its network, whose X-Forwarded headers are true; may be repeated.",
        ),
    ] = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="With an issuer of its own: prints a token and lines to try.")
    ] = False,
    mappings: MappingsOption = None,
) -> None:
    """Serve the API over HTTP, until Ctrl-C or SIGTERM; requests that run are finished.

    The settings come from the environment: ONCOLAKE_ISSUER and others, which the README lists. A bad one
    ends it with a sentence and exit code 2, before it listens; a database that is away with 3.

    \b
    Example:
      oncolake serve --dev
      oncolake serve --workers 4 --proxy 10.0.0.2
    """
    from api.http.serving import Serving

    if (certificate is None) != (key is None):
        raise BadInput("--certificate and --key go together")
    serving = Serving(host, port, workers, certificate, key, tuple(map(_network, proxy or ())))
    if mappings:
        mapping_folder(mappings)
        os.environ[_MAPPINGS] = str(mappings.resolve())
    raise typer.Exit(_serve(serving, dev))


def _serve(serving: "Serving", dev: bool) -> int:
    from api.http.serving import check, listen, serve
    from api.http.settings import SettingsError, misspelt, read_settings

    for warning in misspelt(os.environ):
        err.print(f"Warning: {warning}", markup=False)
    try:
        issuer = _development(serving.host) if dev else None
        settings = read_settings()
        if outdated := check(settings):
            err.print(f"Warning: {outdated}", markup=False)
        listening = listen(serving)
    except SettingsError as error:
        raise BadInput(str(error)) from None
    with listening:
        address = _address(serving, listening.getsockname()[1])
        if issuer:
            _print_lines(address, _token(issuer, settings), serving.certificate)
        elif not (serving.certificate or serving.proxies or _is_loopback(serving.host)):
            err.print("Tokens travel unencrypted: give --certificate and --key, or put a proxy before it.")
        err.print(f"Serving {address} with {plural(serving.workers, 'worker')}; Ctrl-C stops.", markup=False)
        # What was printed must be seen before the first request, also through a pipe.
        sys.stdout.flush()
        return serve(serving, listening)


@app.command()
def token(
    role: Annotated[
        list[str] | None,
        typer.Option(help="A role of the bearer, may be repeated; admins if none is given."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="metadata:read or metadata:write, may be repeated; both if none is given."),
    ] = None,
    organisation: Annotated[str, typer.Option(help="The bearer's organisation.")] = "development",
    minutes: Annotated[int, typer.Option(min=1, max=10_080, help="How long it is good.")] = 60,
) -> None:
    """Print a token of the development issuer, for a service that runs with `serve --dev`.

    \b
    Example:
      oncolake token --role data-providers --organisation forth
    """
    from api.http.dev_issuer import ISSUER, SCOPES, DevIssuer
    from api.http.settings import SettingsError, read_settings

    try:
        settings = read_settings(issuer=ISSUER)
        made = DevIssuer.of_home().token(
            settings.audience,
            settings.organisation_claim,
            roles=role or ["admins"],
            scopes=scope or SCOPES,
            organisation=organisation,
            minutes=minutes,
        )
    except SettingsError as error:
        raise BadInput(str(error)) from None
    out.print(made, markup=False)


def _development(host: str) -> "DevIssuer":
    """The development issuer, named by the environment for this process and its workers."""
    from api.http.dev_issuer import ISSUER, DevIssuer

    if not _is_loopback(host):
        raise BadInput("--dev hands out tokens, so it serves this machine alone: use --host 127.0.0.1")
    for name in (_ISSUER, _KEYS):
        if os.environ.get(name, "").strip():
            raise BadInput(f"--dev brings its own issuer: unset {name}")
    issuer = DevIssuer.of_home()
    try:
        issuer.make()
    except OSError as error:
        raise BadInput(
            f"the development issuer's folder '{issuer.folder}' cannot be made: {error.strerror}; "
            "set ONCOLAKE_HOME to a folder that can be written to"
        ) from None
    os.environ[_ISSUER], os.environ[_KEYS] = ISSUER, str(issuer.public_key)
    return issuer


def _token(issuer: "DevIssuer", settings: "Settings") -> str:
    return issuer.token(settings.audience, settings.organisation_claim)


def _print_lines(address: str, token: str, certificate: Path | None) -> None:
    """What a shell takes as it is: the token in a variable, a case to send, and what to ask."""
    trust = f"--cacert {shlex.quote(str(certificate.resolve()))} " if certificate else ""
    curl = f'curl -sS {trust}-H "Authorization: Bearer $TOKEN"'
    lines = (
        "# A token of an administrator, good for an hour; `oncolake token` makes others.",
        f"TOKEN={token}\n",
        "# To try in another terminal, after that line:",
        "oncolake sample 1 > case.json",
        f"{curl} -F data_file=@case.json {address}/usecases",
        f"{curl} {address}/feed.json\n",
    )
    out.print("\n".join(lines), markup=False)


def _address(serving: "Serving", port: int) -> str:
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    return f"{serving.scheme}://{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _network(address: str) -> str:
    try:
        ipaddress.ip_network(address)
    except ValueError:
        raise BadInput(
            f"--proxy '{address}' is no address or network, such as 10.0.0.2 or 10.0.0.0/8"
        ) from None
    return address
