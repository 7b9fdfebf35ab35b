"""Searches a small bundled corpus of pages: a search engine in miniature that needs no network."""

import math
import re
import time
from collections import Counter

LATENCY = 0.4  # seconds a stage: stands in for the network, so that overlapping calls can be seen in the timeline
TITLE_WEIGHT = 3.0
COMMON_WORDS = set(
    "a about an and are at by can do does for from have how i in is it of on that the to what you".split()
)


def words(text: str) -> list[str]:
    """The words that matter, in lower case and without a plural s: "The Tides" gives ["tide"]."""
    found = re.findall(r"[a-z0-9]+", text.lower())
    return [singular(word) for word in found if word not in COMMON_WORDS]


def singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def score(query: set[str], title: str, body: str, rarity: dict[str, float]) -> float:
    """Sum over the query's words: rare words count more, a title by its share more than the text, repeats ever less."""
    in_title, in_body = Counter(words(title)), Counter(words(body))
    total = 0.0
    for word in sorted(query & rarity.keys()):
        share_of_title = in_title[word] / in_title.total()
        total += rarity[word] * (TITLE_WEIGHT * share_of_title + math.log1p(in_body[word]))
    return total


def rarities(pages: list[tuple[str, str, str]]) -> dict[str, float]:
    """For each word how much it tells: the logarithm of the number of pages over the pages that have it."""
    pages_with = Counter(word for _, title, body in pages for word in set(words(f"{title} {body}")))
    return {word: math.log(1 + len(pages) / count) for word, count in pages_with.items()}


def search_web(query: str, limit: int = 3) -> str:
    """Search the web for pages about a topic and give the best matches with title, address and extract.

    The demo's web is a small bundled corpus of encyclopedia-like pages on example.org.

    Args:
        query: What to look for, as a few words: "spring tides".
        limit: How many pages to give at most, 1 to 10.

    Examples:
        search_web("how do lighthouses work", limit=2)
    """
    wanted = set(words(query))
    print(f"Searching {len(PAGES)} pages for: {', '.join(sorted(wanted)) or '(no words)'}", flush=True)
    time.sleep(LATENCY)

    rarity = rarities(PAGES)
    scored = [(score(wanted, title, body, rarity), url, title, body) for url, title, body in PAGES]
    matches = sorted((match for match in scored if match[0] > 0), key=lambda match: (-match[0], match[2]))
    print(f"Pages that match: {len(matches)}; ranking them", flush=True)
    time.sleep(LATENCY)

    best = matches[: max(1, min(limit, 10))]
    if not best:
        return f'No page matches "{query}". Try fewer or more general words.'
    print(f"Fetching extracts: {len(best)}", flush=True)
    time.sleep(LATENCY)
    return "\n\n".join(
        f"{place}. {title} ({value:.1f})\n   {url}\n   {body}"
        for place, (value, url, title, body) in enumerate(best, 1)
    )


# The corpus: address, title, extract.
PAGES = [
    (
        "https://example.org/tide",
        "Tide",
        "Tides are the rise and fall of sea level caused by the gravity of the Moon and the Sun and by the rotation of "
        "the Earth. Most coasts see two high tides and two low tides in about 24 hours and 50 minutes. The range between "
        "high and low water depends on the shape of the coast and reaches 16 metres in the Bay of Fundy.",
    ),
    (
        "https://example.org/spring-and-neap-tides",
        "Spring and neap tides",
        "When Sun, Moon and Earth stand in line, at new and full moon, their pull adds up and the tidal range is largest: "
        "spring tide. At the quarter moons the two pull at right angles and the range is smallest: neap tide. Spring tides "
        "follow the moon's phase by one or two days.",
    ),
    (
        "https://example.org/tide-gauge",
        "Tide gauge",
        "A tide gauge measures sea level against a fixed mark on land. Early gauges were painted staffs; later a float in "
        "a stilling well drew a curve on paper. Modern stations use radar or pressure sensors and send a value every few "
        "minutes. Long records show the slow rise of the sea.",
    ),
    (
        "https://example.org/tide-table",
        "Tide table",
        "A tide table lists the predicted times and heights of high and low water for a port. The prediction is a sum of "
        "waves whose periods come from the motions of Moon and Sun and whose sizes come from past measurements at that "
        "port. Wind and air pressure are not in it and can shift the real water by a metre.",
    ),
    (
        "https://example.org/storm-surge",
        "Storm surge",
        "A storm surge is water that wind and low air pressure push against a coast, on top of the tide. It is most "
        "dangerous when it meets a spring tide at high water. Surge barriers, dykes and timely warnings are the defences.",
    ),
    (
        "https://example.org/tidal-power",
        "Tidal power",
        "Tidal power stations take energy from the tides, either with turbines in a dam across an estuary or with turbines "
        "that stand free in the current. Output can be forecast for years ahead, which wind and sunlight do not allow.",
    ),
    (
        "https://example.org/moon",
        "Moon",
        "The Moon circles the Earth in 27.3 days at a mean distance of 384,400 kilometres. It always shows the same side, "
        "because tidal friction has locked its rotation. It moves away from us by 3.8 centimetres a year.",
    ),
    (
        "https://example.org/lighthouse",
        "Lighthouse",
        "A lighthouse is a tower with a strong light that marks a coast, a rock or a harbour entrance. Each has its own "
        "rhythm of flashes, so that a navigator can tell which one is in sight. Most are automatic today.",
    ),
    (
        "https://example.org/fresnel-lens",
        "Fresnel lens",
        "Augustin Fresnel divided a thick lens into rings, so that it bends light as strongly with far less glass. First "
        "lit in a lighthouse in 1823, it carried the beam of an oil lamp more than 30 kilometres.",
    ),
    (
        "https://example.org/harbour",
        "Harbour",
        "A harbour is a sheltered stretch of water where ships can lie safely. Natural harbours lie behind headlands or in "
        "estuaries; artificial ones are enclosed by breakwaters. Where the tidal range is large, locks keep the docks full.",
    ),
    (
        "https://example.org/buoy",
        "Buoy",
        "Buoys are moored floats that mark channels, shoals and wrecks. Colour, shape and light tell on which side to pass. "
        "Weather buoys measure wind, waves and temperature and report by satellite.",
    ),
    (
        "https://example.org/ocean-current",
        "Ocean current",
        "Ocean currents are lasting flows of sea water, driven by wind, by differences of temperature and salt, and by the "
        "Earth's rotation. The Gulf Stream carries more water than all the rivers of the world together.",
    ),
    (
        "https://example.org/wave",
        "Wind wave",
        "Wind waves grow with the wind's speed, its duration and the distance over which it blows, the fetch. In deep water "
        "the water itself moves in circles; near the shore the wave grows steep and breaks.",
    ),
    (
        "https://example.org/intertidal-zone",
        "Intertidal zone",
        "The strip between high and low water is flooded and dried with every tide. Barnacles, mussels, limpets and seaweeds "
        "live there in bands, each as high as it can bear to be dry.",
    ),
    (
        "https://example.org/coffee",
        "Coffee",
        "Coffee is brewed from the roasted seeds of the coffee plant, which grows best in cool highlands of the tropics. "
        "Arabica gives a mild cup; robusta is stronger and more bitter. Legend has it that a goatherd in Ethiopia noticed "
        "his goats dancing after they had eaten the berries.",
    ),
    (
        "https://example.org/espresso",
        "Espresso",
        "For espresso, water of about 93 degrees is pressed through finely ground coffee at nine bars for 25 to 30 seconds. "
        "The foam on top, the crema, is oil and carbon dioxide from the fresh roast.",
    ),
    (
        "https://example.org/tea",
        "Tea",
        "All true tea comes from one plant, Camellia sinensis. Green tea is heated soon after picking; black tea is left to "
        "oxidise first. After water it is the most widely drunk beverage of the world.",
    ),
    (
        "https://example.org/bread",
        "Bread",
        "Bread is flour and water, raised with yeast or sourdough and baked. Kneading links the proteins of wheat into "
        "gluten, the net that holds the gas. Crust and aroma arise above 140 degrees, in the Maillard reaction.",
    ),
    (
        "https://example.org/honey-bee",
        "Honey bee",
        "A colony of honey bees counts up to 60,000 workers and one queen. A forager that has found flowers tells the others "
        "by dancing: the angle gives the direction to the sun, the length of the waggle the distance.",
    ),
    (
        "https://example.org/arctic-tern",
        "Arctic tern",
        "The Arctic tern breeds in the far north and spends the northern winter at the edge of the Antarctic ice. Its yearly "
        "journey of some 70,000 kilometres is the longest known migration of any animal.",
    ),
    (
        "https://example.org/compass",
        "Compass",
        "A magnetic compass points along the Earth's magnetic field, which differs from true north by the declination. The "
        "first compasses were pieces of lodestone; sailors in China steered by them in the eleventh century.",
    ),
    (
        "https://example.org/longitude",
        "Longitude",
        "Latitude can be read from the stars, but longitude at sea needs the time at a known place. John Harrison's marine "
        "chronometer of 1761 lost five seconds in 81 days and so settled the question.",
    ),
    (
        "https://example.org/semaphore",
        "Semaphore",
        "The optical telegraph of 1794 passed messages from tower to tower with movable arms. In programs, a semaphore is a "
        "counter that lets a limited number of tasks proceed at once, after the railway signal of that name.",
    ),
    (
        "https://example.org/parallel-computing",
        "Parallel computing",
        "Work that does not depend on other work can be done at the same time. The gain is bounded by the part that must be "
        "done in sequence, as Amdahl's law says: where a tenth is sequential, no number of processors gives more than ten fold.",
    ),
    (
        "https://example.org/library",
        "Library",
        "Libraries collect, keep and lend what has been written. The library of Alexandria is said to have searched every "
        "ship in the harbour for books, copied them, and returned the copies.",
    ),
]
