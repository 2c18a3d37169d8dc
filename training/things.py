"""What can appear in a scene: classes of things, words, colours."""

# Class name -> the code points of the drawings that show it. Names are COCO's where COCO has the thing.
CLASSES: dict[str, tuple[str, ...]] = {
    "person": ("1F468", "1F469"),
    "bicycle": ("1F6B2",),
    "car": ("1F697",),
    "motorcycle": ("1F3CD",),
    "airplane": ("2708",),
    "bus": ("1F68C",),
    "train": ("1F682",),
    "truck": ("1F69A",),
    "boat": ("26F5",),
    "traffic light": ("1F6A6",),
    "stop sign": ("1F6D1",),
    "bird": ("1F426",),
    "cat": ("1F408",),
    "dog": ("1F415",),
    "horse": ("1F40E",),
    "sheep": ("1F411",),
    "cow": ("1F404",),
    "elephant": ("1F418",),
    "bear": ("1F43B",),
    "umbrella": ("2602",),
    "sports ball": ("26BD",),
    "banana": ("1F34C",),
    "apple": ("1F34E", "1F34F"),
    "carrot": ("1F955",),
    "pizza": ("1F355",),
    "donut": ("1F369",),
    "cake": ("1F382",),
    "tv": ("1F4FA",),
    "laptop": ("1F4BB",),
    "cell phone": ("1F4F1",),
    "book": ("1F4D5", "1F4D7", "1F4D8", "1F4D9"),
    "clock": ("23F0",),
    "scissors": ("2702",),
    "cup": ("2615",),
    "house": ("1F3E0",),
    "tree": ("1F333",),
    "guitar": ("1F3B8",),
    "key": ("1F511",),
    "mushroom": ("1F344",),
    "butterfly": ("1F98B",),
    "fish": ("1F41F",),
    "turtle": ("1F422",),
    "penguin": ("1F427",),
    "hamburger": ("1F354",),
    "rocket": ("1F680",),
    "star": ("2B50",),
    "flower": ("1F33B",),
    "balloon": ("1F388",),
    "strawberry": ("1F353",),
}
# More of COCO's names. The held-out scenes of the groups "seen" and "unseen" do without them, so that figures from before
# and after can be compared.
MORE_CLASSES: dict[str, tuple[str, ...]] = {
    "zebra": ("1F993",),
    "giraffe": ("1F992",),
    "backpack": ("1F392",),
    "handbag": ("1F45C",),
    "suitcase": ("1F9F3",),
    "frisbee": ("1F94F",),
    "skis": ("1F3BF",),
    "kite": ("1FA81",),
    "skateboard": ("1F6F9",),
    "tennis racket": ("1F3BE",),
    "bottle": ("1F37E", "1F37C"),
    "wine glass": ("1F377",),
    "knife": ("1F52A",),
    "spoon": ("1F944",),
    "bowl": ("1F963", "1F35C"),
    "sandwich": ("1F96A",),
    "orange": ("1F34A",),
    "broccoli": ("1F966",),
    "hot dog": ("1F32D",),
    "chair": ("1FA91",),
    "couch": ("1F6CB",),
    "potted plant": ("1FAB4",),
    "bed": ("1F6CF",),
    "toilet": ("1F6BD",),
    "mouse": ("1F5B1",),
    "keyboard": ("2328",),
    "vase": ("1F3FA",),
    "teddy bear": ("1F9F8",),
    "toothbrush": ("1FAA5",),
}
ALL_CLASSES: dict[str, tuple[str, ...]] = CLASSES | MORE_CLASSES
CLASS_NAMES: tuple[str, ...] = tuple(ALL_CLASSES)

IRREGULAR_PLURALS = {
    "person": "people",
    "sheep": "sheep",
    "fish": "fish",
    "scissors": "scissors",
    "bus": "buses",
    "butterfly": "butterflies",
    "strawberry": "strawberries",
    "skis": "skis",
    "wine glass": "wine glasses",
    "knife": "knives",
    "sandwich": "sandwiches",
    "broccoli": "broccoli",
    "couch": "couches",
    "mouse": "mice",
    "toothbrush": "toothbrushes",
}

# The words that signs in the scenes say: a closed list, upper case or capitalized.
WORDS: tuple[str, ...] = tuple(
    "ART BAKERY BANK BEACH BIKES BOOKS BREAD BUS CAFE CAMP CASH CITY CLOSED COFFEE COLD DANGER DOOR DOWN EAST EMPTY "
    "EXIT FARM FIRE FISH FLOWERS FOOD FREE FRESH FRUIT GAMES GARDEN GATE GIFTS GOLD GREEN HELLO HELP HOME HOT HOTEL "
    "ICE JUICE KEYS LEFT LIBRARY MAGIC MAIL MARKET MENU MILK MOON MUSEUM MUSIC NEWS NORTH OPEN PARK PHONE PIZZA "
    "POLICE POST PUSH QUIET RADIO RIGHT RIVER SALE SCHOOL SHOES SHOP SLOW SOUP SOUTH STOP SUGAR SUN TAXI TEA THEATER "
    "TICKETS TOYS TRAIN UP WATER WELCOME WEST WINE WINTER ZONE ZOO".split()
)

FONT_FILES: tuple[str, ...] = (
    "bebas-neue/files/bebas-neue-latin-400-normal.woff",
    "courier-prime/files/courier-prime-latin-700-normal.woff",
    "fredoka/files/fredoka-latin-500-normal.woff",
    "merriweather/files/merriweather-latin-700-normal.woff",
    "nunito/files/nunito-latin-700-normal.woff",
    "oswald/files/oswald-latin-500-normal.woff",
    "playfair-display/files/playfair-display-latin-700-normal.woff",
    "roboto/files/roboto-latin-400-normal.woff",
    "roboto/files/roboto-latin-700-normal.woff",
)

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (205, 45, 45),
    "orange": (240, 140, 40),
    "yellow": (250, 210, 60),
    "green": (75, 160, 70),
    "blue": (65, 120, 200),
    "purple": (130, 75, 165),
    "pink": (240, 150, 185),
    "brown": (130, 85, 55),
    "white": (240, 240, 240),
    "gray": (135, 140, 145),
    "black": (30, 30, 32),
}


def plural(name: str) -> str:
    """The plural of a class name: 'stop sign' -> 'stop signs'."""
    return IRREGULAR_PLURALS.get(name, name + "s")


def with_article(phrase: str) -> str:
    """'apple' -> 'an apple'."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase
