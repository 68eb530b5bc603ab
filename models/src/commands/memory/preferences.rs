//! `aloe memory preferences`: rated replies as lines that `aloe train dpo` reads.

use aloekit::memory::PreferenceParams;
use aloekit::session::DEFAULT_SYSTEM_PROMPT;

use super::Stores;
use crate::cli::PreferencesArgs;
use crate::error::Result;

pub(super) fn run(args: &PreferencesArgs, stores: &Stores<'_>) -> Result<()> {
    let system = args.system.as_ref().or(stores.settings.chat.system.as_ref());
    let params = PreferenceParams {
        system_prompt: system.map_or(DEFAULT_SYSTEM_PROMPT, String::as_str).to_owned(),
        turns: usize::from(args.turns),
    };
    let rated = stores.existing(&args.store)?.training_preferences(&params)?;
    let beside = rated.write(&args.out, args.unpaired.as_deref())?;
    stores.output.note(&format!("{} pairs written to {}", rated.pairs.len(), args.out.display()));
    if let Some(beside) = beside.filter(|_| !rated.labelled.is_empty()) {
        let labelled = rated.labelled.len();
        stores.output.note(&format!("{labelled} replies with a thumb alone written to {}", beside.display()));
    }
    if rated.pairs.is_empty() {
        stores.output.warn("there is no pair to train on: an edit makes one (`/better TEXT` in `aloe chat`)");
    }
    Ok(())
}
