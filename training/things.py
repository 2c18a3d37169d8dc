"""What can appear in a scene: classes of things, art styles, words, colours."""

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
CLASS_NAMES: tuple[str, ...] = tuple(CLASSES)

IRREGULAR_PLURALS = {
    "person": "people",
    "sheep": "sheep",
    "fish": "fish",
    "scissors": "scissors",
    "bus": "buses",
    "butterfly": "butterflies",
    "strawberry": "strawberries",
}

# Art styles, by the name of their Iconify package. One is never seen in training.
SEEN_STYLES: tuple[str, ...] = (
    "noto",
    "noto-v1",
    "twemoji",
    "fluent-emoji",
    "fluent-emoji-flat",
    "emojione",
    "fxemoji",
    "streamline-emojis",
)
UNSEEN_STYLES: tuple[str, ...] = ("openmoji",)

# More drawings for training alone, in the seen styles: other code points that show a class.
MORE_CODES: dict[str, tuple[str, ...]] = {
    "person": ("1F466", "1F467", "1F471", "1F474", "1F475", "1F9D1"),
    "bird": ("1F426-200D-2B1B", "1F54A"),
    "cat": ("1F408-200D-2B1B",),
    "dog": ("1F415-200D-1F9BA", "1F429", "1F9AE"),
    "sheep": ("1F40F",),
    "cow": ("1F402", "1F403"),
    "truck": ("1F69B",),
}

# Styles that only training draws: black lines and silhouettes, which it fills with colours. Two packages and two fonts
# are found by code point, the other packages by name: all of ICON_NAMES that they have, with one of ICON_ENDINGS.
INKED_EMOJI: tuple[str, ...] = ("emojione-monotone", "fluent-emoji-high-contrast")
INKED_FONTS: dict[str, str] = {
    "noto-emoji": "@fontsource/noto-emoji/files/noto-emoji-emoji-400-normal.woff",
    "symbola": "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf",  # Debian's fonts-symbola
}
INKED_ICONS: tuple[str, ...] = (
    "tabler",
    "ph",
    "mdi",
    "game-icons",
    "lucide",
    "hugeicons",
    "icon-park-outline",
    "mingcute",
    "fa6-solid",
    "boxicons",
)
ICON_ENDINGS = ("", "-line", "-fill", "-filled", "-01", "-02", "-1-line", "-2-line")
ICON_NAMES: dict[str, tuple[str, ...]] = {
    "person": ("face-man", "face-woman"),
    "bicycle": ("bicycle",),
    "car": ("car", "car-side", "city-car"),
    "motorcycle": ("motorcycle", "motorbike"),
    "airplane": ("airplane", "plane"),
    "bus": ("bus",),
    "train": ("train", "steam-locomotive"),
    "truck": ("truck", "truck-moving", "pickup-truck", "truck-pickup", "van", "van-utility"),
    "boat": ("sailboat", "sail-boat"),
    "traffic light": ("traffic-light", "traffic-lights"),
    "stop sign": ("stop-sign",),
    "bird": ("bird", "dove", "crow", "swallow", "sparrow", "raven", "seagull"),
    "cat": ("cat", "cat-body"),
    "dog": ("dog", "dog-side", "dog-body", "sitting-dog"),
    "horse": ("horse", "horse-variant"),
    "sheep": ("sheep",),
    "cow": ("cow",),
    "elephant": ("elephant",),
    "bear": ("bear", "bear-face", "polar-bear"),
    "umbrella": ("umbrella",),
    "sports ball": ("soccer-ball", "soccer", "ball-football", "football"),
    "banana": ("banana",),
    "apple": ("apple", "food-apple", "shiny-apple", "apple-whole", "apple-fruit"),
    "carrot": ("carrot",),
    "pizza": ("pizza", "pizza-slice"),
    "donut": ("donut",),
    "cake": ("birthday-cake", "cake-variant", "cake"),
    "tv": ("television-classic", "television", "device-tv-old", "tv", "monitor", "monitor-wide"),
    "laptop": ("laptop", "device-laptop"),
    "cell phone": ("cellphone", "device-mobile", "smartphone"),
    "book": ("book",),
    "clock": ("alarm-clock", "alarm"),
    "scissors": ("scissors", "scissor", "scissors-2", "scissors-3"),
    "cup": ("coffee", "coffee-cup", "cup-tea", "cup-hot", "mug", "mug-hot", "mug-saucer"),
    "house": ("house", "home"),
    "tree": ("tree",),
    "guitar": ("guitar", "guitar-acoustic"),
    "key": ("key",),
    "mushroom": ("mushroom",),
    "butterfly": ("butterfly",),
    "fish": ("fish",),
    "turtle": ("turtle",),
    "penguin": ("penguin",),
    "hamburger": ("hamburger", "burger"),
    "rocket": ("rocket",),
    "star": ("star",),
    "flower": ("sunflower", "flower"),
    "balloon": ("balloon",),
    "strawberry": ("strawberry",),
}
# Icons with such names that show something else: logos, other balls, a monster, a coffee bean, vans that could be buses.
OTHER_ICONS: tuple[str, ...] = (
    "boxicons:van",
    "boxicons:van-filled",
    "hugeicons:scissor-01",
    "hugeicons:van",
    "icon-park-outline:monitor",
    "ph:monitor-fill",
    "ph:van",
    "ph:van-fill",
    "mdi:apple",
    "hugeicons:apple",
    "mingcute:apple-fill",
    "mingcute:apple-line",
    "icon-park-outline:alarm",
    "icon-park-outline:apple",
    "mdi:football",
    "ph:football",
    "ph:football-fill",
    "fa6-solid:football",
    "game-icons:swallow",
    "boxicons:coffee",
    "boxicons:coffee-filled",
    "hugeicons:house-01",
    "hugeicons:house-02",
    "mingcute:house-line",
    "mingcute:house-fill",
    "mingcute:house-2-line",
)

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
