"""`/`: what there is, and what has happened lately."""

import time
from datetime import UTC, datetime, timedelta

from quart import Blueprint, Response

from shaman.web.answers import HTML, answers
from shaman.web.context import shaman
from shaman.web.pages.rendering import render
from shaman.web.responses import check_no_parameters

blueprint = Blueprint("home", __name__)

DAYS = 14
LISTED = 12
"""Rows of each list."""

BAR = 60
"""Height of the chart."""


@blueprint.get("/")
@answers(str, media=HTML, no_store=True)
async def show_home() -> Response:
    """Show the projects, the latest ready repos and builds, and how many repos each day of two weeks has seen."""
    check_no_parameters()
    recent = shaman().store.recent
    projects, more = await recent.projects()
    names = [project.name for project in projects]
    days = last_days(int(time.time()))
    counts = await recent.volume(names, [int(day.timestamp()) * 1_000_000 for day in days])
    return render(
        "home.html",
        projects=projects,
        more=more,
        ready=await recent.ready(names, LISTED),
        builds=await recent.builds(names, LISTED),
        chart=chart_of(days[:-1], counts),
        most=f"{max(counts):,}",
    )


def last_days(now: int) -> list[datetime]:
    """Return when each of the last days began, and when today ends (UTC)."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today + timedelta(days=number) for number in range(1 - DAYS, 2)]


def chart_of(days: list[datetime], counts: list[int]) -> list[dict[str, object]]:
    """Return the bars of the chart: where each stands, and what it says."""
    most = max(counts, default=0) or 1
    bars = []
    for number, (day, count) in enumerate(zip(days, counts, strict=True)):
        height = max(round(count * BAR / most, 1), 1.0 if count else 0.0)
        bars.append({"x": number * 20, "height": height, "y": BAR - height, "day": f"{day:%Y-%m-%d}", "count": count})
    return bars
