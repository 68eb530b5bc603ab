//! The words that people are put together from.

use super::styles::Style;

/// Something that a life can be about, and what can be said of it.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) word: &'static str,
    pub(super) idea: &'static str,
}

macro_rules! topics {
    ($($word:literal: $idea:literal),* $(,)?) => { &[$(Topic { word: $word, idea: $idea }),*] };
}

pub(super) const TOPICS: &[Topic] = topics![
    "beekeeping": "Check the hives on a mild, windless morning.",
    "choir singing": "Hum the alto line on your walk home.",
    "bouldering": "Warm up on the easy wall before the overhang.",
    "sourdough baking": "Let the dough rest a night in the fridge.",
    "birdwatching": "The reed beds are at their best at dawn.",
    "chess": "Play one slow game instead of ten fast ones.",
    "wheelchair basketball": "Practise ten free throws before every match.",
    "pottery": "Throw a small bowl first to find the centre.",
    "salsa dancing": "Count the basic step aloud for one song.",
    "astronomy": "Give your eyes twenty minutes of darkness first.",
    "calligraphy": "Draw the same letter twenty times, slowly.",
    "allotment gardening": "Sow the beans once the nights are warm.",
    "long-distance cycling": "Eat before you are hungry on the long climbs.",
    "mushroom foraging": "Go the day after rain, and bring a basket.",
    "crossword puzzles": "Start with the corner that has the short words.",
    "open-water swimming": "Swim along the shore until you know the current.",
    "model railways": "Wire one loop and test it before the next.",
    "quilting": "Lay the squares out on the floor before you sew.",
    "street photography": "Stay at one corner for an hour and wait.",
    "drumming": "Practise with a pillow and a metronome.",
    "archery": "Shoot ten arrows with your eyes on the breath.",
    "karaoke": "Pick a song half a tone below your range.",
    "tai chi": "Do the first form outdoors, before breakfast.",
    "comic books": "Read the silent issue twice, it tells more.",
    "kite flying": "Use the long line when the wind is steady.",
    "radio plays": "Listen to one with the lights off.",
    "tango": "Walk to the music alone before you dance it.",
    "cricket": "Keep your head still when the spinner comes on.",
    "origami": "Crease twice and unfold before you shape it.",
    "volunteer firefighting": "Lay your boots ready before you sleep.",
    "ice fishing": "Drill near the drop-off and wait for dusk.",
    "vintage synthesizers": "Record one patch a day, however small.",
];

pub(super) const NAMES: &[(&str, &str)] = &[
    ("Amina", "She"),
    ("Bjorn", "He"),
    ("Chiara", "She"),
    ("Deniz", "They"),
    ("Emeka", "He"),
    ("Farida", "She"),
    ("Goran", "He"),
    ("Hana", "She"),
    ("Inti", "They"),
    ("Jamal", "He"),
    ("Kavya", "She"),
    ("Liang", "He"),
    ("Marisol", "She"),
    ("Nils", "He"),
    ("Oyelaran", "He"),
    ("Priya", "She"),
    ("Quinn", "They"),
    ("Rosa", "She"),
    ("Sione", "He"),
    ("Tuyet", "She"),
    ("Uri", "He"),
    ("Valentina", "She"),
    ("Wairimu", "She"),
    ("Yusuf", "He"),
    ("Zsofia", "She"),
    ("Ash", "They"),
];

pub(super) const JOBS: &[&str] = &[
    "bus driver",
    "midwife",
    "software tester",
    "retired welder",
    "fishmonger",
    "law student",
    "night porter",
    "violin maker",
    "primary school teacher",
    "crane operator",
    "pharmacist",
    "goat farmer",
    "tax clerk",
    "sign language interpreter",
    "baker",
    "nurse",
    "bike courier",
    "museum guard",
    "geologist",
    "hairdresser",
    "stay-at-home parent",
    "radio host",
    "carpenter",
    "call centre agent",
    "marine biologist",
    "tailor",
    "security guard",
    "translator",
    "apprentice electrician",
    "retired judge",
    "florist",
    "paramedic",
];

pub(super) const PLACES: &[&str] = &[
    "Mombasa",
    "Porto",
    "Tromso",
    "Oaxaca",
    "Busan",
    "Winnipeg",
    "Tbilisi",
    "Dakar",
    "Hobart",
    "Leeds",
    "Cusco",
    "Kochi",
    "Gdansk",
    "Aleppo",
    "Nairobi",
    "Recife",
    "Osaka",
    "Marseille",
    "Apia",
    "Lahore",
    "Tulsa",
    "Bergen",
    "Accra",
    "Hue",
    "Sarajevo",
    "Muscat",
    "Bologna",
    "Ulaanbaatar",
    "Detroit",
    "Quito",
];

pub(super) const HOMES: &[&str] = &[
    "a houseboat that leaks a little",
    "a fifth floor without a lift",
    "a farm at the end of a gravel road",
    "a flat above a laundry",
    "a caravan by the dunes",
    "a shared house near the station",
    "the ground floor of an old mill",
    "a small room full of plants",
    "a bungalow made for a wheelchair",
    "a terrace house with a blue door",
];

pub(super) const HOUSEHOLDS: &[&str] = &[
    "with three teenage daughters",
    "alone since the divorce",
    "with a husband who works at sea",
    "with two flatmates and their instruments",
    "with an elderly father who has dementia",
    "with a wife and a baby",
    "with a large family under one roof",
    "in a student hall",
    "with a partner of thirty years",
    "with foster children",
];

pub(super) const CHILDHOODS: &[&str] = &[
    "on a dairy farm",
    "in four different countries",
    "in a refugee camp",
    "behind the counter of a grocery",
    "on an island without cars",
    "with deaf parents",
    "in a boarding school",
    "in a mining town",
    "in a travelling circus",
    "next to an airport",
];

pub(super) const FOODS: &[&str] = &[
    "pepper soup",
    "pierogi with sauerkraut",
    "mango with chilli",
    "cheese toast",
    "rice porridge",
    "lentil dal",
    "grilled sardines",
    "tamales",
    "kimchi stew",
    "rhubarb crumble",
];

pub(super) const POSSESSIONS: &[&str] = &[
    "a one-eyed cat called Admiral",
    "two rescue greyhounds",
    "a parrot that swears",
    "a motorbike from 1974",
    "a cochlear implant",
    "a collection of hotel keys",
    "a twin in another country",
    "a scar from a fall off a roof",
    "seven grandchildren",
    "a prosthetic leg",
];

pub(super) const CIRCUMSTANCES: &[&str] = &[
    "between two jobs at the moment",
    "colour-blind",
    "new in town",
    "a member of the local mosque",
    "the first of the family at a university",
    "expecting a second child",
    "recovering from a knee operation",
    "vegetarian since school",
    "on the autism spectrum",
    "up before five every day",
];

pub(super) const PLANS: &[&str] = &[
    "a walk across Iceland",
    "a shop of secondhand lamps",
    "a driving licence at last",
    "a visit to a sister in Chile",
    "evening classes in accounting",
    "a move to the countryside",
    "adopting a dog",
    "a first marathon",
    "learning to read sheet music",
    "an exhibition in the library",
];

pub(super) const TRAITS: &[&str] = &[
    "Keeps promises even when it is inconvenient.",
    "Gets nervous before phone calls.",
    "Forgives quickly.",
    "Remembers birthdays of distant cousins.",
    "Cannot stand being late.",
    "Trusts strangers easily.",
    "Worries about money more than needed.",
    "Stays calm when others panic.",
    "Speaks up against unfairness.",
    "Avoids crowds and loud rooms.",
    "Takes risks that friends find foolish.",
    "Finishes what was begun.",
    "Changes opinions when shown better ones.",
    "Needs an hour alone after a party.",
    "Prefers routine to surprise.",
    "Is proud of work done by hand.",
    "Loses track of time when absorbed.",
    "Gives generous gifts.",
    "Sulks a little after losing a game.",
    "Listens longer than most.",
    "Is sceptical of new gadgets.",
    "Cries at weddings.",
    "Bargains at every market.",
    "Has a stubborn streak.",
    "Is modest about success.",
];

pub(super) fn style_sentences(style: Style) -> &'static [&'static str] {
    match style {
        Style::Brief => &["Prefers short answers that come to the point.", "Is blunt and wants few words from others."],
        Style::Playful => {
            &["Loves a good joke and lives to laugh.", "Is playful and teases everyone it is safe to tease."]
        }
        Style::Warm => {
            &["Is warm and wants to feel kindness in a conversation.", "Looks for empathy and a gentle tone."]
        }
        Style::Curious => {
            &["Is endlessly curious and likes being asked a question.", "Enjoys a debate and every question in it."]
        }
        Style::Structured => {
            &["Is methodical and loves lists and plans.", "Wants every task broken into orderly steps."]
        }
        Style::Vivid => {
            &["Is an imaginative daydreamer with an artistic eye.", "Thinks like a poet and loves vivid language."]
        }
    }
}

pub(super) const GREETINGS: &[&str] = &["Hi there!", "Hello!", "Hey, good to talk to you.", "Good evening!"];

pub(super) const OPENERS: &[&str] = &[
    "You know what?",
    "Right.",
    "By the way,",
    "Speaking of which.",
    "Oh, and another thing.",
    "Thanks for that.",
    "Hm.",
    "",
];

pub(super) const SMALL_TALK: &[&str] = &[
    "Today was long and I am glad it is over.",
    "The weather cannot make up its mind.",
    "I slept badly last night.",
    "My neighbours are drilling again.",
];

pub(super) const QUESTIONS: &[&str] = &[
    "What should I do this weekend?",
    "Do you have an idea for me?",
    "How would you go about it?",
    "What do you make of that?",
    "Any thoughts?",
    "What would you try next?",
];

pub(super) const GENERIC_REPLIES: &[&str] = &[
    "There are many possibilities to consider here, and in the end the right choice depends on a number of different factors and circumstances.",
    "Thank you for sharing that with me. It is always important to keep a good balance in life and to make time for the things that matter.",
    "That is interesting. You could look for some information online or talk to somebody who knows more about the subject than I do.",
    "It depends on the situation, of course. In general it is a good idea to weigh the advantages and the disadvantages before making a decision.",
    "I understand. Many people are in a similar situation, and there are several common approaches that have been found to work well over time.",
];
