"""Whom to blame for a mistake: an environment variable, if it comes from one."""

import os
import re
from typing import Any, Final

import click
from click.core import ParameterSource

#: How Kubernetes and ``docker --link`` tell a container where a service is.
_LINK: Final = re.compile(r"(tcp|udp|sctp)://.*")


class ServerCommand(click.Command):
    """A command whose mistakes are laid to the environment variable that they come from."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise _blamed(error, ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Command.invoke`."""
        try:
            return super().invoke(ctx)
        except click.BadParameter as error:
            raise _blamed(error, ctx) from error


def parameter(name: str) -> click.Parameter:
    """The parameter of that name of the command that is run."""
    return next(one for one in click.get_current_context().command.params if one.name == name)


def with_variables(message: str) -> str:
    """Add to a message the environment variables that have set what it speaks of."""
    ctx = click.get_current_context()
    told = [
        variable
        for one in ctx.command.params
        if (variable := _variable(one, ctx))
        and (_speaks_of(message, os.environ[variable]) or _speaks_of(message, ctx.params[one.name]))
    ]
    return f"{message} (set by {' and '.join(told)})" if told else message


def _speaks_of(message: str, value: Any) -> bool:
    return bool(re.search(rf"(?<![\w.]){re.escape(str(value))}(?![\w.])", message))


def _variable(param: click.Parameter, ctx: click.Context) -> str | None:
    """The environment variable that has set a parameter, if one has."""
    if param.name and ctx.get_parameter_source(param.name) is ParameterSource.ENVIRONMENT:
        return f"{ctx.auto_envvar_prefix}_{param.name.upper()}"
    return None


def _blamed(error: click.BadParameter, ctx: click.Context) -> click.BadParameter:
    """The same mistake, of the environment if it is that one's."""
    variable = error.param and _variable(error.param, ctx)
    if not error.param or not variable:
        return error
    message = error.message
    if _LINK.fullmatch(os.environ[variable]) and variable.endswith("_PORT"):
        service = variable.removesuffix("_PORT").lower().replace("_", "-")
        message += (
            f" Kubernetes sets it so for a Service named {service!r} (docker --link, for such an"
            " alias): rename that, or set enableServiceLinks: false for the pod."
        )
    hint = f"the environment variable {variable} ({error.param.opts[-1]})"
    return click.BadParameter(message, error.ctx, error.param, hint)
