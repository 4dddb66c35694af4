"""Counts what a store is asked, however its client sends it."""

from typing import Any


def trips_of(client: Any) -> list[list[str]]:
    """Return a list that grows with each round trip of `client` from now on, by the names of its commands."""
    trips: list[list[str]] = []
    execute, pipeline = client.execute_command, client.pipeline

    async def counted(*arguments: Any, **options: Any) -> Any:
        trips.append([arguments[0]])
        return await execute(*arguments, **options)

    def counted_pipeline(*arguments: Any, **options: Any) -> Any:
        made = pipeline(*arguments, **options)
        send = made.execute

        async def counted_send(*arguments: Any, **options: Any) -> Any:
            trips.append([command[0][0] for command in made.command_stack])
            return await send(*arguments, **options)

        made.execute = counted_send
        return made

    client.execute_command, client.pipeline = counted, counted_pipeline
    return trips
