//! The training runs that lie in a folder: what each was begun with and the figures of its steps.
//!
//! A folder is a training run itself, or holds some: a pipeline's run with `sft` and `dpo` in it shows both beside each
//! other. Reads logs that may be growing, so half a line at the end is not there yet.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;

/// Folder and file that `aloe train` keeps its figures in.
const STATE: &str = "state";
const LOG: &str = "log.jsonl";

/// Steps that a page draws of a run at most: more would be several points for each pixel.
const MOST_STEPS: usize = 2000;

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingRun {
    name: String,
    /// What it was begun with.
    config: Value,
    /// Steps in the log; of more than are drawn every so many-th stands in `steps`.
    all_steps: usize,
    steps: Vec<Value>,
    /// What was measured on what is held out.
    held_out: Vec<Value>,
}

/// The training runs in `folder`, by name.
pub(super) fn training_runs(folder: &Path) -> Result<Vec<TrainingRun>> {
    let mut runs = Vec::new();
    if let Some(run) = read(folder, super::contents::name_of(folder)) {
        runs.push(run);
    }
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = inside.map(|entry| (entry.file_name(), entry.path())).collect();
    folders.sort();
    runs.extend(folders.iter().filter_map(|(name, path)| read(path, name.to_string_lossy().into_owned())));
    Ok(runs)
}

fn read(folder: &Path, name: String) -> Option<TrainingRun> {
    let state = folder.join(STATE);
    let text = std::fs::read(state.join(LOG)).ok()?;
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let (held_out, steps): (Vec<_>, Vec<_>) = lines.partition(|line| line.get("eval_loss").is_some());
    let config = std::fs::read(state.join("config.json")).ok();
    let config = config.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null);
    Some(TrainingRun { name, config, all_steps: steps.len(), steps: thinned(steps), held_out })
}

/// Every so many-th step and the last one.
fn thinned(steps: Vec<Value>) -> Vec<Value> {
    let every = steps.len().div_ceil(MOST_STEPS).max(1);
    let last = steps.len().saturating_sub(1);
    steps
        .into_iter()
        .enumerate()
        .filter(|(at, _)| at.is_multiple_of(every) || *at == last)
        .map(|(_, step)| step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_in_a_folder_and_half_a_line_is_not_there_yet() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["dpo", "sft"] {
            let state = folder.path().join(name).join(STATE);
            std::fs::create_dir_all(&state).expect("made");
            let lines = "{\"step\":0,\"eval_loss\":0.7}\n{\"step\":1,\"loss\":0.6}\n{\"step\":2,\"lo";
            std::fs::write(state.join(LOG), lines).expect("written");
        }
        let runs = training_runs(folder.path()).expect("read");
        assert_eq!(runs.iter().map(|run| &run.name[..]).collect::<Vec<_>>(), ["dpo", "sft"]);
        assert!(runs.iter().all(|run| (run.steps.len(), run.held_out.len()) == (1, 1)));
    }

    #[test]
    fn a_long_run_keeps_its_first_and_last_step() {
        let kept = thinned((0..5001).map(Value::from).collect());
        assert_eq!((kept.first(), kept.last()), (Some(&Value::from(0)), Some(&Value::from(5000))));
        assert!(kept.len() <= MOST_STEPS + 1);
    }
}
