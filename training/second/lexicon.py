"""The words of the captions: for every attribute of a scene, how it may be called (the first name is the plain one)."""

from __future__ import annotations

NOUNS: dict[str, tuple[str, ...]] = {
    "torii": ("torii gate", "torii gate", "torii", "shrine gate", "shrine"),
    "castle": ("castle", "castle", "fairy tale castle", "palace"),
    "lighthouse": ("lighthouse", "lighthouse", "lighthouse tower", "beacon"),
    "house": ("house", "house", "cottage"),
    "balloon": ("balloon", "hot air balloon", "air balloon"),
    "boat": ("boat", "sailing boat", "sailboat", "sailing ship"),
    "pagoda": ("pagoda", "pagoda", "temple", "pagoda temple"),
    "windmill": ("windmill", "windmill", "mill"),
    "train": ("train", "train", "railway train", "local train"),
    "bridge": ("bridge", "bridge", "wooden bridge", "arched bridge"),
    "lantern": ("lantern", "lantern", "paper lantern"),
    "girl": ("girl with umbrella", "girl with an umbrella", "girl", "girl under an umbrella"),
    "dragon": ("dragon", "dragon", "flying dragon"),
    "cherry": ("cherry tree", "cherry tree", "cherry blossom tree", "sakura tree", "sakura"),
    "pine": ("pine tree", "pine tree", "pine", "fir tree", "evergreen tree"),
    "fox": ("fox", "fox", "wild fox"),
    "cat": ("cat", "cat", "kitten"),
    "whale": ("whale", "whale", "flying whale"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "crimson"),
    "blue": ("blue",),
    "green": ("green",),
    "yellow": ("yellow",),
    "purple": ("purple", "purple", "violet"),
    "white": ("white",),
    "pink": ("pink",),
    "orange": ("orange",),
    "black": ("black",),
    "navy": ("dark blue",),
}
# The coloured part, where it can be named instead of the whole.
COLOURED_PARTS = {
    "castle": "roofs",
    "house": "roof",
    "boat": "sails",
    "pagoda": "roofs",
    "lighthouse": "stripes",
    "girl": "umbrella",
}
# A girl is not red: her umbrella is. These nouns take the colour inside.
COLOUR_INSIDE: dict[str, tuple[str, ...]] = {
    "girl": ("girl with {} umbrella", "girl with a {} umbrella", "girl under a {} umbrella", "{} umbrella, girl"),
}
SKY_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("day sky", "blue sky", "daytime", "day", "noon", "bright day"),
    "sunset": ("sunset sky", "sunset sky", "sunset", "evening sky", "dusk", "golden hour", "orange sky"),
    "night": ("night sky", "night sky", "night", "starry night", "starry sky", "midnight", "night sky, stars", "stars"),
    "dawn": ("dawn", "dawn sky", "sunrise", "pink sky", "early morning", "morning sky", "pastel sky"),
}
SKY_PLACES: dict[str, tuple[str, ...]] = {
    "day": ("by day", "in the daytime", "under a blue sky", "at noon"),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening", "under an orange sky"),
    "night": ("at night", "at night", "under the stars", "under a starry sky", "at midnight"),
    "dawn": ("at dawn", "at dawn", "at sunrise", "in the early morning", "under a pink sky"),
}
BACKDROP_WORDS: dict[str, tuple[str, ...]] = {
    "mountains": ("mountains", "mountains", "mountain range", "mountain", "high peaks", "mountain meadow"),
    "city": ("city", "city skyline", "skyline", "buildings", "skyscrapers", "town"),
    "forest": ("forest", "forest", "woods", "woodland", "deep forest"),
    "sea": ("sea", "sea", "ocean", "coast", "water", "calm sea"),
    "desert": ("desert", "desert", "dunes", "sand dunes", "sand"),
    "snow": ("snow hills", "snowy hills", "snow", "winter hills", "snowy landscape", "winter"),
}
BACKDROP_PLACES: dict[str, tuple[str, ...]] = {
    "mountains": ("in the mountains", "in front of mountains", "below a high mountain"),
    "city": ("in the city", "in front of a skyline", "in a town"),
    "forest": ("in the forest", "in front of a forest", "at the edge of the woods"),
    "sea": ("by the sea", "by the sea", "on the coast", "in the sea", "by the ocean"),
    "desert": ("in the desert", "among sand dunes", "on the sand"),
    "snow": ("in the snow", "on snowy hills", "in winter"),
}
BODY_WORDS: dict[str, tuple[str, ...]] = {"sun": ("sun", "bright sun"), "moon": ("moon", "full moon", "moonlight")}
CLOUD_WORDS = ("clouds", "clouds", "clouds", "cloudy sky", "white clouds", "big clouds")
# None of these says "clouds": a word that also stands where there are none cannot work in a negative prompt.
CLEAR_WORDS = ("clear sky", "clear sky", "cloudless sky")
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "petals": ("petals", "falling petals", "drifting petals", "flower petals"),
    "snowfall": ("snowfall", "falling snow", "snowing", "snowflakes"),
    "rain": ("rain", "raining", "rainy", "heavy rain"),
    "fog": ("fog", "foggy", "mist", "misty"),
}
STYLE_WORDS = (
    "anime scene",
    "anime scene",
    "anime landscape",
    "anime",
    "anime picture",
    "illustration",
    "landscape",
    "scenery",
    "anime art",
    "beautiful scenery",
)
PRAISE_WORDS = ("masterpiece", "best quality", "detailed", "highly detailed", "beautiful", "vivid colors", "wallpaper")
DISTANCE_WORDS: dict[str, tuple[str, ...]] = {
    "far": ("far away", "distant", "in the distance", "zoomed out", "wide shot", "small"),
    "near": ("near", "close", "large", "big", "zoomed in"),
    "close": ("close up", "close up", "close-up", "very close"),
    "detail": ("extreme close up", "macro", "close up detail", "very close up"),
}
# What the camera comes near to, by its name in the scene.
PART_WORDS: dict[str, tuple[str, ...]] = {
    "sign": ("sign", "plaque"),
    "rope": ("rope", "straw rope"),
    "window": ("window", "window"),
    "roof": ("roof", "roof tiles", "tiled roof"),
    "door": ("door", "wooden door"),
    "lamp": ("lamp", "lamp room"),
    "basket": ("basket", "wicker basket"),
    "sail": ("sail", "sails"),
    "hull": ("hull", "planks of the hull"),
    "blades": ("blades", "sails of the mill"),
    "wheels": ("wheels", "wheel"),
    "railing": ("railing", "railing posts"),
    "planks": ("planks", "wooden planks"),
    "paper": ("paper", "glowing paper"),
    "face": ("face", "face", "eyes"),
    "umbrella": ("umbrella", "umbrella top"),
    "scales": ("scales", "dragon scales"),
    "blossoms": ("blossoms", "flowers", "pink blossoms"),
    "trunk": ("trunk", "bark"),
    "branches": ("branches", "needles"),
    "tail": ("tail", "tail"),
}
SIDES: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "left"),
    "right": ("on the right", "on the right side", "right"),
}
OTHER_WORDS = "a an with zoom view very over 0123456789 . , - the and of to from in out slowly beside next between"
