"""Owns the words of the login site: twelve short articles of a harbour's handbook, then logbook entries without end."""

from __future__ import annotations

from ..engine.records import Record


class Article(Record, frozen=True, kw_only=True):
    """One article of the wiki."""

    number: int  # 1 and up; its address is /articles/<number>
    title: str
    summary: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]  # name and value, shown as a table


def article(number: int) -> Article:
    """Return article *number*, 1 and up; the same number always gives the same words."""
    if number <= len(_WRITTEN):
        title, summary, paragraphs, facts = _WRITTEN[number - 1]
        return Article(number=number, title=title, summary=summary, paragraphs=paragraphs, facts=facts)
    wind = ("south-west", "west", "north-west", "north", "east", "south")[number % 6]
    boats = 3 + number * 7 % 40
    return Article(
        number=number,
        title=f"Logbook, day {number}",
        summary=f"Wind from the {wind}, {boats} boats in the harbour.",
        paragraphs=(
            f"The night watch handed over at six. The wind came from the {wind} and the swell stayed outside the mole.",
            f"By noon {boats} boats lay in the harbour. The lamp burned from dusk to dawn without a fault.",
        ),
        facts=(("Wind", wind), ("Boats", str(boats)), ("Visibility", f"{2 + number % 9} nautical miles")),
    )


_Words = tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]

_WRITTEN: tuple[_Words, ...] = (
    (
        "The harbour office",
        "Who sits where, and when somebody answers.",
        (
            "The office stands at the root of the east mole, behind the red door. Somebody is always there while the "
            "light burns, and from seven in the morning on every other day.",
            "Visitors sign the book before they go out on the mole. Nobody goes out alone above wind force eight.",
        ),
        (("Hours", "07:00 to 19:00"), ("Radio", "channel 12"), ("Keys", "with the watch")),
    ),
    (
        "The lamp",
        "How the light is lit, and what to do when it is not.",
        (
            "A sensor on the gallery lights the lamp at dusk. The watch looks up once an hour all the same, because "
            "the sensor cannot see fog.",
            "When the main lamp fails, the spare turns in by itself within four seconds. Write down the time, and "
            "change the main lamp in daylight.",
        ),
        (("Character", "two flashes every ten seconds"), ("Range", "18 nautical miles"), ("Height", "31 m")),
    ),
    (
        "Tide tables",
        "Reading the tables, and adding what the wind does to them.",
        (
            "The tables give the water above chart datum for the gauge at the lock. Off the slipway there is always "
            "thirty centimetres less.",
            "Two days of strong westerly wind add up to half a metre; an easterly takes as much away.",
        ),
        (("Mean range", "3.4 m"), ("Highest seen", "5.9 m"), ("Gauge", "at the lock, north side")),
    ),
    (
        "Fog signal",
        "When the horn sounds, and who is told beforehand.",
        (
            "The horn starts by hand when the far beacon cannot be seen. It is heard in half the town, so the watch "
            "calls the hospital first.",
            "One long blast every thirty seconds. Two men are enough; one of them keeps his ears covered.",
        ),
        (("Signal", "one blast every 30 s"), ("Heard", "4 nautical miles"), ("Checked", "first Monday, noon")),
    ),
    (
        "Berths",
        "Which boat lies where, and the order in which berths are given.",
        (
            "Fishing boats lie along the north quay, visitors at the pontoon, and the ferry has its own ramp. The "
            "outermost two berths stay free for whoever comes in from bad weather.",
            "A berth is kept for a boat that is out for up to three weeks. After that it goes to the waiting list.",
        ),
        (("North quay", "24 boats"), ("Pontoon", "16 boats"), ("Waiting list", "in the office")),
    ),
    (
        "The slipway",
        "Hauling out, in steps, with the winch.",
        (
            "The cradle runs on two rails and carries forty tonnes. The rails are brushed clean at low water, each "
            "time, because weed makes the cradle jump.",
            "Nobody stands beside a cable under load. The winch stops at once when the dead man's handle is let go.",
        ),
        (("Carries", "40 t"), ("Depth", "2.6 m at mean high water"), ("Winch", "tested every spring")),
    ),
    (
        "Ferry days",
        "What changes in the harbour when the ferry comes.",
        (
            "On ferry days the fairway is closed for twenty minutes before and after. Two flags on the mast say so, "
            "and the watch repeats it on the radio.",
            "Cars wait in the old fish market. The gate opens when the ramp is down, not before.",
        ),
        (("Days", "Tuesday, Friday, Sunday"), ("Closed", "20 minutes before and after"), ("Gate", "the watch opens")),
    ),
    (
        "Weather watch",
        "Four readings a day, and where they are sent.",
        (
            "Wind, pressure, temperature and the state of the sea are read at six, noon, six and midnight. A reading "
            "missed is written down as missed, never guessed.",
            "When the pressure falls by more than three hectopascals in three hours, the boats are called one by one.",
        ),
        (("Readings", "06, 12, 18, 24 h"), ("Barometer", "office, left of the window"), ("Warnings", "channel 12")),
    ),
    (
        "The lifeboat",
        "Who is called, and what the harbour does meanwhile.",
        (
            "The crew has six minutes from the call to the boat. The watch opens the shed, starts the lights on the "
            "mole and keeps the fairway clear.",
            "Nobody else uses the radio until the boat is back. The kettle goes on when she passes the mole.",
        ),
        (("Crew", "7"), ("From call to boat", "6 minutes"), ("Shed key", "hook 1")),
    ),
    (
        "Buoys and beacons",
        "Which mark is where, and what to report.",
        (
            "The fairway has four pairs of buoys, numbered from the sea. After every gale the watch goes out to see "
            "that each still lies where the chart says.",
            "A light that is out is reported within the hour, a buoy adrift at once.",
        ),
        (("Pairs", "4"), ("Far beacon", "white, every 4 s"), ("Last laid", "in spring")),
    ),
    (
        "Fuel and water",
        "Opening hours of the pump, and the rules beside it.",
        (
            "The pump stands on the pontoon and takes cards at any hour. Engines are off, hatches open, and one "
            "person stays on deck.",
            "Water is free. The hose goes back on its reel, or the next one finds it full of sand.",
        ),
        (("Fuel", "diesel only"), ("Water", "free"), ("Spill kit", "yellow box")),
    ),
    (
        "Night watch",
        "The round, in order, and what goes into the book.",
        (
            "The round begins at the lock at ten and ends at the lamp. Every door that should be shut is tried by "
            "hand.",
            "The book names the time, the wind and whatever was not as it should be. An empty line is a good night.",
        ),
        (("Begins", "22:00"), ("Takes", "50 minutes"), ("Torch", "charging, by the door")),
    ),
)
