//! `aloe memory preferences`: rated replies as lines that `aloe train dpo` reads.

use std::path::Path;

use aloekit::memory::Preference;
use aloekit::session::DEFAULT_SYSTEM_PROMPT;
use aloekit::{Message, Role};

use super::Stores;
use super::export::{json_line, write_private_with};
use crate::cli::PreferencesArgs;
use crate::error::Result;

pub(super) fn run(args: &PreferencesArgs, stores: &Stores<'_>) -> Result<()> {
    let mut rated = stores.existing(&args.store)?.preferences()?;
    let system = args.system.as_ref().or(stores.settings.chat.system.as_ref());
    let system = system.map_or(DEFAULT_SYSTEM_PROMPT, String::as_str);
    for preference in &mut rated {
        let (Preference::Pair { prompt, .. } | Preference::Labelled { prompt, .. }) = preference;
        shorten(prompt, usize::from(args.turns));
        if !system.is_empty() {
            prompt.insert(0, Message::system(system));
        }
    }
    let (pairs, labelled): (Vec<_>, Vec<_>) = rated.iter().partition(|one| matches!(one, Preference::Pair { .. }));
    write_lines(&args.out, &pairs)?;
    let beside = args.unpaired.clone().unwrap_or_else(|| args.out.with_extension("unpaired.jsonl"));
    // A file of an earlier export may hold what was forgotten since.
    if args.unpaired.is_some() || !labelled.is_empty() || beside.exists() {
        write_lines(&beside, &labelled)?;
    }
    stores.output.note(&format!("{} pairs written to {}", pairs.len(), args.out.display()));
    if !labelled.is_empty() {
        stores.output.note(&format!("{} replies with a thumb alone written to {}", labelled.len(), beside.display()));
    }
    if pairs.is_empty() {
        stores.output.warn("there is no pair to train on: an edit makes one (`/better TEXT` in `aloe chat`)");
    }
    Ok(())
}

fn write_lines(path: &Path, rated: &[&Preference]) -> Result<()> {
    write_private_with(path, |writer| rated.iter().try_for_each(|one| json_line(writer, one)))
}

/// Leaves the last `turns` messages of the user, each with the memories quoted for it, and what came between.
fn shorten(prompt: &mut Vec<Message>, turns: usize) {
    let said = prompt.iter().enumerate().filter(|(_, message)| message.role == Role::User).map(|(at, _)| at);
    let said: Vec<usize> = said.collect();
    let Some(first) = said.len().checked_sub(turns).map(|at| said[at]) else { return };
    let quoted = first.checked_sub(1).filter(|before| prompt[*before].role == Role::System);
    prompt.drain(..quoted.unwrap_or(first));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_prompt_begins_with_a_turn_and_the_memories_quoted_for_it() {
        let (user, reply, quoted) = (Message::user("u"), Message::assistant("a"), Message::system("s"));
        let whole = [user.clone(), reply.clone(), quoted.clone(), user.clone(), reply.clone(), user.clone()];
        for (turns, from) in [(1, 5), (2, 2), (3, 0), (9, 0)] {
            let mut prompt = whole.to_vec();
            shorten(&mut prompt, turns);
            assert_eq!(prompt, whole[from..], "{turns}");
        }
    }
}
