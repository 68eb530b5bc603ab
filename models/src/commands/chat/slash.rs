//! The commands inside a chat: what a line that begins with '/' means. Does nothing itself.

use aloekit::memory::Rating;

use crate::error::{Error, Result};

/// What one line of input asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Turn(String),
    Command(Command),
}

/// A command of the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Persona,
    Why,
    Edit { id: i64, text: String },
    Pin { id: i64, pinned: bool },
    Forget(Forget),
    Rate(Rating),
    Export(Option<String>),
    Erase { confirmed: bool },
    Stats,
    New,
    Remember(bool),
    Help,
    Quit,
}

/// Which memory is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forget {
    Id(i64),
    Last,
    /// The one memory that contains this text.
    Text(String),
    /// Every memory that matters to this text, once they were shown and confirmed.
    Topic(String),
    /// Those that were shown last.
    Shown,
}

/// Name, argument, and what it does: the help and the completion read it.
pub(crate) const COMMANDS: &[(&str, &str, &str)] = &[
    ("/persona", "", "what is remembered of you"),
    ("/why", "", "the memories that shaped the last reply, with your own words"),
    ("/good", "", "the last reply is good: kept for training"),
    ("/bad", "", "the last reply is not"),
    ("/better", "TEXT", "what the last reply should have said"),
    ("/edit", "ID TEXT", "change what a memory says"),
    ("/pin", "ID", "keep a memory from fading"),
    ("/unpin", "ID", "let it fade as others do"),
    ("/forget", "ID|last|TEXT", "forget one memory"),
    ("/forget topic", "TEXT", "show all that matters to a text, and forget it when you say yes"),
    ("/export", "[FILE]", "everything that is kept, as JSON"),
    ("/erase", "", "forget everything"),
    ("/stats", "", "how fast the last reply was made, and with --adapter how far that leans towards it"),
    ("/new", "", "begin a new conversation; what is remembered stays"),
    ("/remember", "on|off", "recall and learn, or not"),
    ("/help", "", "this list"),
    ("/quit", "", "leave"),
];

/// The meaning of a line; `None` for an empty one. Two slashes say a line that begins with one.
pub(crate) fn parse(line: &str) -> Result<Option<Line>> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    if line.starts_with("//") {
        return Ok(Some(Line::Turn(line[1..].to_owned())));
    }
    if !line.starts_with('/') {
        return Ok(Some(Line::Turn(line.to_owned())));
    }
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    command(name, argument.trim()).map(|command| Some(Line::Command(command)))
}

fn command(name: &str, argument: &str) -> Result<Command> {
    let command = match (name, argument) {
        ("/forget", "") => {
            let hint = "say /forget ID, /forget last, /forget TEXT or /forget topic TEXT";
            return Err(Error::usage("/forget needs to know what", hint));
        }
        ("/forget", "topic") => {
            return Err(Error::usage("/forget topic needs to know which", "say /forget topic TEXT"));
        }
        ("/forget", what) => return Ok(Command::Forget(forget(what))),
        ("/good", _) => Command::Rate(Rating::Up),
        ("/bad", _) => Command::Rate(Rating::Down),
        ("/better", "") => {
            return Err(Error::usage("/better needs the reply as it should have been", "say /better TEXT"));
        }
        ("/better", text) => return Ok(Command::Rate(Rating::Edited(text.to_owned()))),
        ("/edit", what) => return edit(what),
        ("/pin", id) => return Ok(Command::Pin { id: memory_id("/pin", id)?, pinned: true }),
        ("/unpin", id) => return Ok(Command::Pin { id: memory_id("/unpin", id)?, pinned: false }),
        ("/export", "") => Command::Export(None),
        ("/export", file) => return Ok(Command::Export(Some(file.to_owned()))),
        ("/erase", "yes") => return Ok(Command::Erase { confirmed: true }),
        ("/erase", _) => Command::Erase { confirmed: false },
        ("/remember", "on") => return Ok(Command::Remember(true)),
        ("/remember", "off") => return Ok(Command::Remember(false)),
        ("/remember", _) => return Err(Error::usage("/remember is on or off", "say /remember on or /remember off")),
        ("/persona", _) => Command::Persona,
        ("/why", _) => Command::Why,
        ("/stats", _) => Command::Stats,
        ("/new", _) => Command::New,
        ("/help", _) => Command::Help,
        ("/quit" | "/exit", _) => Command::Quit,
        _ => return Err(unknown(name)),
    };
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(Error::usage(format!("{name} takes no argument here"), "see /help"))
    }
}

fn forget(what: &str) -> Forget {
    let topic = what.strip_prefix("topic").filter(|rest| rest.starts_with(char::is_whitespace));
    match (what.parse(), what, topic) {
        (Ok(id), ..) => Forget::Id(id),
        (_, "last", _) => Forget::Last,
        (_, "yes", _) => Forget::Shown,
        (_, _, Some(topic)) => Forget::Topic(topic.trim().to_owned()),
        _ => Forget::Text(what.to_owned()),
    }
}

fn edit(what: &str) -> Result<Command> {
    let (id, text) = what.split_once(char::is_whitespace).unwrap_or((what, ""));
    let id = memory_id("/edit", id)?;
    if text.trim().is_empty() {
        return Err(Error::usage("/edit needs the new text", "say /edit ID TEXT; /forget ID removes a memory"));
    }
    Ok(Command::Edit { id, text: text.trim().to_owned() })
}

fn memory_id(name: &str, id: &str) -> Result<i64> {
    id.parse().map_err(|_| Error::usage(format!("{name} needs the id of a memory"), "/persona shows the ids"))
}

/// The name is repeated only where it is near to a command: a message that begins with a slash is a message.
fn unknown(name: &str) -> Error {
    let near =
        COMMANDS.iter().find(|(known, ..)| name.len() > 2 && (known.starts_with(name) || name.starts_with(known)));
    let hint = match near {
        Some((known, ..)) => format!("did you mean {known}?"),
        None => "see /help; a message that begins with / is written with two".to_owned(),
    };
    Error::usage("there is no such command", hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parsed(line: &str) -> Line {
        parse(line).expect("known").expect("not empty")
    }

    #[test]
    fn words_are_a_turn_and_an_empty_line_is_nothing() {
        assert_eq!(parsed("  hello /why  "), Line::Turn("hello /why".to_owned()));
        assert_eq!(parsed("//etc is a folder"), Line::Turn("/etc is a folder".to_owned()));
        assert!(parse("  \t ").expect("nothing").is_none());
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        for (name, argument, _) in COMMANDS {
            let first = argument.trim_matches(['[', ']']).split('|').next().unwrap_or_default().replace("ID", "12");
            assert!(parse(&format!("{name} {first}")).is_ok(), "{name} {first}");
        }
    }

    #[test]
    fn what_to_forget_is_an_id_the_last_or_a_text() {
        assert_eq!(parsed("/forget 12"), Line::Command(Command::Forget(Forget::Id(12))));
        assert_eq!(parsed("/forget last"), Line::Command(Command::Forget(Forget::Last)));
        assert_eq!(parsed("/forget my cello"), Line::Command(Command::Forget(Forget::Text("my cello".to_owned()))));
    }

    #[test]
    fn a_topic_is_told_from_a_text_that_begins_like_it() {
        let forget = |what: Forget| Line::Command(Command::Forget(what));
        assert_eq!(parsed("/forget topic  my cello"), forget(Forget::Topic("my cello".to_owned())));
        assert_eq!(parsed("/forget topical cream"), forget(Forget::Text("topical cream".to_owned())));
        assert_eq!(parsed("/forget yes"), forget(Forget::Shown));
        assert!(parse("/forget topic").is_err());
    }

    #[test]
    fn an_edit_needs_an_id_and_a_text_and_a_pin_an_id() {
        let edit = Command::Edit { id: 3, text: "I play the viola".to_owned() };
        assert_eq!(parsed("/edit 3  I play the viola"), Line::Command(edit));
        assert_eq!(parsed("/unpin 3"), Line::Command(Command::Pin { id: 3, pinned: false }));
        for line in ["/edit", "/edit 3", "/edit my cello", "/pin", "/pin it", "/unpin 3 4"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_rating_is_a_thumb_or_the_better_words() {
        assert_eq!(parsed("/good"), Line::Command(Command::Rate(Rating::Up)));
        assert_eq!(parsed("/bad"), Line::Command(Command::Rate(Rating::Down)));
        assert_eq!(parsed("/better  7 is it."), Line::Command(Command::Rate(Rating::Edited("7 is it.".to_owned()))));
        assert!(parse("/good one").is_err() && parse("/better").is_err());
    }

    #[test]
    fn erasing_takes_the_word_yes() {
        assert_eq!(parsed("/erase"), Line::Command(Command::Erase { confirmed: false }));
        assert_eq!(parsed("/erase yes"), Line::Command(Command::Erase { confirmed: true }));
        assert!(parse("/erase maybe").is_err());
    }

    #[test]
    fn an_unknown_command_gets_a_hint() {
        let hint = |line| parse(line).expect_err("unknown").hint().expect("a hint");
        assert_eq!(hint("/per"), "did you mean /persona?");
        assert!(hint("/xyzzy").contains("/help"));
    }
}
