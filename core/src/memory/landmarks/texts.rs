//! The sentences that serve as landmarks: what people ask, and what they say of themselves that decides it.
//!
//! Written with the tuning half of the evaluation data in view, never the other. Whoever changes them changes what every
//! store recalls, and what is stored of them is made anew: measure it.

/// A kind of request.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) requests: &'static [&'static str],
    /// What may have been said long before that such a request has to heed.
    pub(super) circumstances: &'static [&'static str],
}

pub(super) const TOPICS: [Topic; 12] = [
    Topic {
        name: "eating",
        requests: &[
            "What should I cook tonight?",
            "Suggest a recipe for dinner.",
            "What can I eat for lunch?",
            "Any ideas for a snack?",
            "What should I order at the restaurant?",
            "I want to bake a cake.",
        ],
        circumstances: &[
            "I'm allergic to shellfish.",
            "I don't eat meat.",
            "My diet forbids sugar.",
            "I can't eat anything spicy.",
            "The doctor told me to cut down on fat.",
            "I can't stand the taste of mushrooms.",
            "Milk doesn't agree with me.",
            "I only eat kosher food.",
        ],
    },
    Topic {
        name: "drinking",
        requests: &["What should I drink with the meal?", "Recommend a cocktail.", "Where can we go for a drink?"],
        circumstances: &[
            "I don't drink alcohol.",
            "I've stopped drinking coffee.",
            "My medicine doesn't go with wine.",
        ],
    },
    Topic {
        name: "travel",
        requests: &[
            "Where should we go on holiday?",
            "How do I get there?",
            "Plan a trip for the weekend.",
            "Which hotel should I book?",
        ],
        circumstances: &[
            "I'm afraid of flying.",
            "I don't have a driving licence.",
            "We don't own a car.",
            "I get seasick on boats.",
            "I use a wheelchair.",
            "I'm afraid of heights.",
            "I'm not allowed to travel far at the moment.",
        ],
    },
    Topic {
        name: "gifts",
        requests: &[
            "What present should I buy for his birthday?",
            "Gift ideas for my mother?",
            "What could I bring her?",
        ],
        circumstances: &[
            "She loves old books.",
            "He collects stamps.",
            "My son is crazy about trains.",
            "Her hobby is gardening.",
            "She adores dark chocolate.",
        ],
    },
    Topic {
        name: "company",
        requests: &[
            "What shall we do on Saturday night?",
            "Suggest something fun to do.",
            "Should I go to the party?",
            "How should I celebrate my birthday?",
            "They invited me over, what do I say?",
        ],
        circumstances: &[
            "I don't like big crowds.",
            "Loud music gives me a headache.",
            "I prefer a quiet evening at home.",
            "I hate being the centre of attention.",
            "I don't go out late.",
            "I am scared of dogs.",
            "I love dancing.",
        ],
    },
    Topic {
        name: "exertion",
        requests: &[
            "How do I move this heavy thing?",
            "Should I go for a run?",
            "Suggest an exercise.",
            "How do I get this job done on my own?",
        ],
        circumstances: &[
            "I hurt my shoulder.",
            "I have a bad back and can't lift much.",
            "My knee is injured.",
            "I have asthma.",
            "The doctor says I must rest.",
            "I can't walk far.",
        ],
    },
    Topic {
        name: "explaining",
        requests: &[
            "Explain this to me.",
            "How does this work?",
            "Show me how to set it up.",
            "Help me organise my day.",
            "Give me instructions.",
        ],
        circumstances: &[
            "Keep your answers short.",
            "I don't read well, so use simple words.",
            "I can't see well.",
            "I find it hard to concentrate.",
            "I prefer examples without theory.",
            "My internet connection is slow.",
        ],
    },
    Topic {
        name: "contact",
        requests: &["How do I cancel my contract?", "How can I reach the office?", "How do I book an appointment?"],
        circumstances: &["I hate phone calls.", "I'd rather write than talk.", "I'm hard of hearing."],
    },
    Topic {
        name: "time",
        requests: &[
            "When can we meet?",
            "Can I come on Tuesday?",
            "Are we free this weekend?",
            "Should I take on this extra shift?",
        ],
        circumstances: &[
            "I work nights.",
            "I'm busy every Saturday morning.",
            "My children are with me at the weekend.",
            "I get up at five.",
            "I play with the team on Thursday evenings.",
        ],
    },
    Topic {
        name: "culture",
        requests: &[
            "Recommend a film.",
            "What should I read next?",
            "Put together a playlist.",
            "Which game should I get?",
        ],
        circumstances: &[
            "I love science fiction.",
            "I can't stand horror films.",
            "I listen to jazz.",
            "I mostly read history books.",
        ],
    },
    Topic {
        name: "things",
        requests: &[
            "Should I get a pet?",
            "How should I furnish the room?",
            "Which phone should I buy?",
            "What should I wear?",
        ],
        circumstances: &[
            "I'm allergic to cats.",
            "We live in a small flat.",
            "My landlord allows no animals.",
            "I don't have much money at the moment.",
            "My favourite colour is green.",
        ],
    },
    Topic {
        name: "mood",
        requests: &["I feel like giving up, talk me out of it.", "How do I calm down?", "I'm so nervous, help me."],
        circumstances: &[
            "I'm trying to give up a bad habit.",
            "Swimming clears my mind.",
            "I stay strong for my children.",
            "I get nervous in front of people.",
        ],
    },
];

/// Questions for something that was told before.
pub(super) const ASKING_BACK: [&str; 20] = [
    "What is my sister's name?",
    "Where do I live?",
    "When is my appointment?",
    "Who is my boss?",
    "What did the doctor tell me?",
    "Which instrument do I play?",
    "How much did I pay for it?",
    "What happened to my friend?",
    "Where do I work at the moment?",
    "What am I studying?",
    "What did I say about my holiday?",
    "Which one do I own?",
    "How do I usually spend my Sundays?",
    "Why did I move away?",
    "What did I bring my friend?",
    "What was that restaurant called?",
    "How many children does she have?",
    "Who did I tell about it?",
    "At what time does my course begin?",
    "Which of my relatives is abroad?",
];

/// What has nothing to do with who asks.
pub(super) const IMPERSONAL: [&str; 16] = [
    "Who wrote this famous novel?",
    "Translate this sentence into French.",
    "How does an engine work?",
    "Write a poem about the sea.",
    "Thank you very much!",
    "What is the population of Brazil?",
    "Calculate the area of a circle.",
    "What does this word mean?",
    "Fix the grammar in this paragraph.",
    "Hello, how are you today?",
    "Give me a fun fact about animals.",
    "When did the war end?",
    "Write a function that reverses a string.",
    "Explain the theory of evolution.",
    "That is not what I asked for.",
    "Tell me a story.",
];
