"""The words the pictures know: things and their synonyms, places, grounds, lights, styles, flaws."""

from __future__ import annotations

import re

from promptlab.simulator.pictures.glyphs_room import ROOM
from promptlab.simulator.pictures.glyphs_table import TABLE
from promptlab.simulator.pictures.glyphs_world import WORLD

__all__ = ["FLAWS", "GLYPHS", "GROUNDS", "LIGHTS", "NOT_THINGS", "PLACES", "STYLES", "THINGS"]

_WORDS = re.compile(r"\S+")

GLYPHS = TABLE | ROOM | WORLD


def _table(text: str) -> dict[str, str]:
    """`name: synonym, synonym` lines → synonym → name (a name is its own synonym); an indented line goes on."""
    out: dict[str, str] = {}
    for row in text.replace("\n    ", " ").strip().splitlines():
        name, _, others = row.strip().partition(":")
        out[name] = name
        out.update({other.strip(): name for other in others.split(",") if other.strip()})
    return out


THINGS = {name: name for name in GLYPHS if name not in {"glass"}} | _table("""
teapot: kettle, pot, tea pot, jug, pitcher, coffee pot
mug: cup of coffee, mug of coffee, coffee cup, coffee mug, coffee, cappuccino, latte, tankard
teacup: cup of tea, cup, tea cup, tea, espresso
glass: drinking glass, glass of juice, glass of water, tumbler, juice, lemonade, cocktail, drink, water glass,
    smoothie
wineglass: wine glass, glass of wine, wine, goblet
bottle: wine bottle, flask, beer, oil bottle, shampoo, lotion, serum
jar: honey, jam, pickle, tin, can, cookie jar
vase: vase of flowers, vase of tulips, vase of roses, amphora, urn, ceramics
bowl: fruit bowl, fruit, bowl of fruit, soup, salad, noodle, ramen
plate: dish, meal, food, pasta, steak, dinner, pizza, burger, sushi, breakfast
cake: birthday cake, cupcake, pastry, dessert, muffin, pie, tart
bread: loaf, baguette, sourdough, bun, croissant, toast
apple: cherry, tomato, peach, pear, strawberry, berry, pomegranate
lemon: lime, citrus, mango, potato, avocado
candle: candles, candlestick
book: stack of books, books, novel, notebook, journal, magazine, diary
laptop: computer, notebook computer, macbook, monitor, screen, workspace, workstation
phone: smartphone, mobile phone, tablet, cell phone, iphone, app
watch: wristwatch, smartwatch, timepiece
ring: diamond ring, diamond, jewellery, jewelry, engagement ring, necklace, earring
clock: alarm clock, alarm
camera: film camera, vintage camera, lens
headphones: headphone, headset, earphone, earbud
perfume: perfume bottle, bottle of perfume, fragrance, cologne, cosmetics, cosmetic, cream jar
spoon: wooden spoon, fork, ladle
knife: blade, sword, dagger
stool: bar stool, ottoman, footstool
chair: dining chair, seat, bench
armchair: lounge chair, easy chair, recliner
sofa: couch, settee, loveseat
table: coffee table, dining table, side table
desk: writing desk, office desk
lamp: desk lamp, table lamp, lampshade, lantern, floor lamp
shoe: sneaker, trainer, running shoe, footwear, loafer, heel
boot: hiking boot, wellington
bag: handbag, purse, tote, tote bag, shopping bag, suitcase, briefcase
backpack: rucksack, schoolbag
hat: cap, fedora, straw hat, beanie
shirt: t-shirt, tee, sweater, jacket, jumper, hoodie, coat, blouse
dress: gown, skirt
guitar: violin, ukulele, cello
shelf: bookshelf, bookcase, cabinet, cupboard
gift: present, gift box, box, package, parcel, crate
plant: potted plant, succulent, succulent plant, houseplant, fern, indoor plant, monstera
flower: rose, tulip, sunflower, daisy, poppy, orchid
bouquet: bunch of flowers, flower bouquet
tree: oak tree, maple, apple tree, bonsai
palm: palm tree, coconut
cactus: cacti
cat: kitten, tabby, fox, lion, tiger
dog: puppy, labrador, terrier, hound, wolf, bear
bird: robin, parrot, owl, sparrow, duck, chicken, eagle
fish: goldfish, salmon, shark
person: woman, man, girl, boy, portrait, face, people, model, lady, child, fisherman, fisherwoman, human, chef,
    worker, old man
car: automobile, vehicle, taxi, sports car, van, truck
bicycle: bike, cycle, motorbike
house: cottage, cabin, home, barn, hut, villa
tower: skyscraper, castle, lighthouse, building
boat: sailboat, ship, yacht, sailing boat
robot: android, droid, cyborg
sun: setting sun, rising sun
moon: full moon, crescent moon
cloud: clouds
balloon: hot air balloon, hot-air balloon, balloons
""")

PLACES = _table("""
mountains: mountain, hill, hills, alps, valley, peak, peaks, landscape
sea: ocean, lake, river, harbour, harbor, water, waves, pier, coast, seaside
beach: tropical beach, shore, island, desert, dunes
forest: woods, woodland, jungle, trees
city: skyline, street, downtown, city street, alley, tokyo, new york, rooftop
lobby: office, office lobby, glass walls, glass wall, reception, atrium, airport
window: window light, room, kitchen, bedroom, living room, cafe, café, interior, studio apartment, windowsill
shelves: library, shop, store, bookshop, market
garden: meadow, field, park, lawn, farm, countryside
space: stars, galaxy, starry sky, cosmos, outer space
""")

GROUNDS = _table("""
linen: cloth, tablecloth, fabric, cotton, silk, velvet, textile, wool
wood: wooden table, oak table, wooden board, plank, planks, floorboards, wooden desk, tabletop, counter, desk, table
marble: marble slab, countertop, granite, terrazzo
concrete: cement, pavement, asphalt, stone, rock, slate, plaster, brick
sand: dune
grass: moss, turf
snow: ice, snowy
tile: tiles, tiled
""")

LIGHTS = _table("""
golden: golden hour, golden-hour, golden light, warm light, warm lighting, evening light, late afternoon, autumn
    light
sunset: dusk, setting sun, at sunset, twilight
sunrise: dawn, morning light, morning, pink light
neon: neon light, neon lights, neon glow, cyberpunk, rgb, synthwave, vaporwave
night: moonlight, moonlit, midnight, nighttime, at night, starry, blue hour, dark
candlelight: candle light, firelight, lamplight, candlelit, chiaroscuro
soft: soft light, soft lighting, soft natural lighting, soft natural light, diffused light, diffuse light, natural
    light, natural lighting, overcast, window light, daylight, soft daylight, softbox
flash: hard flash, direct flash, on-camera flash, harsh light, hard light, flash photography
noon: bright sun, sunlight, sunny, harsh sun, midday, summer light, bright light
studio: studio light, studio lighting, studio photo, studio photography, three-point lighting, high key, high-key
cool: cool light, cool lighting, cold light, blue light, winter light, foggy, fog, misty, mist, rainy, rain
""")

STYLES = _table("""
film: film grain, 35mm film, 35mm, analog, analogue, kodak, portra, film photo, subtle grain, heavy grain, fine
    grain, polaroid, film still, vintage photo, lomography
watercolour: watercolor, watercolour painting, watercolor painting, gouache, aquarelle, wet on wet
noir: film noir, black and white, black-and-white, monochrome, b&w, greyscale, grayscale
ink: pen and ink, ink drawing, line art, line drawing, pencil, pencil sketch, sketch, charcoal, engraving, etching,
    drawing
oil: oil painting, oil on canvas, impasto, impressionist, impressionism, painting, acrylic, van gogh
poster: flat illustration, vector, vector art, vector illustration, screen print, screenprint, art deco, bauhaus,
    minimalist poster, graphic poster, pop art, illustration
riso: risograph, halftone, riso print, comic, comic book, newsprint, manga
pixel: pixel art, 8-bit, 8 bit, 16-bit, voxel
pastel: pastels, dreamy, kawaii, soft pastel
cinematic: movie still, film still cinematic, teal and orange, dramatic, moody
retro: vintage, seventies, 70s, 1970s, faded, sepia, nostalgic
photo: studio photo, product photo, photograph, photorealistic, photorealism, editorial, editorial photography,
    photography, product photography, packshot
""")

#: Words of a negative prompt → the flaws they rule out.
FLAWS: dict[str, tuple[str, ...]] = {
    "blurry": ("blur",), "blur": ("blur",), "out of focus": ("blur",), "soft focus": ("blur",), "unsharp": ("blur",),
    "watermark": ("watermark",), "watermarks": ("watermark",), "logo": ("watermark",), "signature": ("watermark",),
    "stock photo": ("watermark",),
    "text": ("garble",), "text artefacts": ("garble",), "text artifacts": ("garble",), "lettering": ("garble",),
    "letters": ("garble",), "words": ("garble",), "caption": ("garble",), "typography": ("garble",),
    "low quality": ("blocks",), "low-quality": ("blocks",), "lowres": ("blocks",), "jpeg artifacts": ("blocks",),
    "jpeg artefacts": ("blocks",), "pixelated": ("blocks",), "worst quality": ("blocks",), "artifacts": ("blocks",),
    "artefacts": ("blocks",), "compression": ("blocks",),
    "distorted": ("warp",), "deformed": ("warp",), "distortion": ("warp",), "bad anatomy": ("warp",),
    "warped": ("warp",), "disfigured": ("warp",),
    "noise": ("grain",), "digital noise": ("grain",), "grain": ("grain",), "grainy": ("grain",), "noisy": ("grain",),
    "shadow": ("shadow",), "shadows": ("shadow",), "harsh shadows": ("shadow",), "hard shadows": ("shadow",),
    "vignette": ("vignette",), "vignetting": ("vignette",),
}  # fmt: skip

#: Words that end a chunk of a prompt and name no thing.
NOT_THINGS = frozenset(
    _WORDS.findall("""
a an the this that these those some one two three four five six its his her their very more most hero shot photo
photos image images picture pictures photograph photography style styles light lighting lights lit background
backdrop scene composition view angle close-up closeup macro wide detail details detailed quality resolution high
low focus sharp depth field bokeh colour color colours colors tone tones palette mood atmosphere warm cool soft hard
modern minimalist minimal clean simple elegant natural realistic photorealistic beautiful stunning professional
commercial product products advertising advert ad editorial cinematic aesthetic design render rendering 3d 4k 8k hd
uhd art artwork illustration painting drawing print poster banner cover sticker icon logo texture surface wall walls
floor front side top bottom left right center centre middle foreground space white black shadow shadows reflection
reflections glow haze smoke steam dust grain film lens 35mm 50mm 85mm iso camera-angle catalogue catalog
magazine-style brand sale text words title label change make add remove replace turn keep setting time day night
morning evening afternoon hour summer winter autumn spring year old new young small large big tiny huge great good
best ultra hyper super highly slightly bit touch hint square round studio glass material finish matte glossy subtle
dramatic vibrant muted bright dark pale deep rich say says read reads saying reading showing sits stands standing
sitting next something thing things object item items subject subjects person-like masterpiece award winning
trending way look feel
""")
)
