//! The dataset's card: what it is, how it was made, what is in it, and whether anything of it was written by rule.

use std::path::Path;

use super::sink::{DATA, PARTS};
use super::{Form, Plan, Statistics};
use crate::error::{Error, Result};
use crate::run_dir::{hash_of_file, write_whole};

/// What a card says.
pub(super) struct Card<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) statistics: &'a Statistics,
    pub(super) trees_hash: String,
}

impl Card<'_> {
    /// Writes README.md and statistics.json.
    pub(super) fn write(&self, out: &Path) -> Result<()> {
        let mut json = serde_json::to_vec_pretty(self.statistics).map_err(Error::internal)?;
        json.push(b'\n');
        write_whole(&out.join("statistics.json"), &json)?;
        let text = format!("{}\n{}\n{}\n{}", self.header(), self.contents(), self.numbers(), self.origin()?);
        write_whole(&out.join("README.md"), text.as_bytes())
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        PARTS.into_iter().zip([self.statistics.train, self.statistics.validation]).filter(|(_, rows)| *rows > 0)
    }

    fn header(&self) -> String {
        let files: String = self
            .parts()
            .map(|(part, _)| format!("      - split: {part}\n        path: {DATA}/{part}.parquet\n"))
            .collect();
        let size = match self.statistics.train + self.statistics.validation {
            0..1_000 => "n<1K",
            1_000..10_000 => "1K<n<10K",
            10_000..100_000 => "10K<n<100K",
            _ => "100K<n<1M",
        };
        format!(
            "---\nlanguage:\n  - en\ntask_categories:\n  - text-generation\nsize_categories:\n  - {size}\ntags:\n  - \
             synthetic\n  - conversational\n  - {}\nconfigs:\n  - config_name: default\n    data_files:\n{files}---\n",
            self.plan.form.as_str()
        )
    }

    fn contents(&self) -> String {
        let scripted = match self.statistics.scripted {
            0 => String::new(),
            some => format!(
                "\n**{some} of the examples were written by rule (the scripted provider), with planted preferences of \
                 style and topic. They are for tests and say nothing of how people talk.**\n"
            ),
        };
        let format = match self.plan.form {
            Form::Sft => {
                "Each example has `messages`, a conversation as the user answered it, and `loss_mask`, one flag for each \
                 message: loss is taken on preferred replies only. Each preferred reply is learned once."
            }
            Form::Preference => {
                "Each example has `prompt`, the conversation as the user answered it up to their last message, and two \
                 replies to it, `chosen` and `rejected`, in the conversational format."
            }
        };
        format!(
            "# Conversations with personas ({})\n{scripted}\nMade with aloe {} after \"Aligning LLMs with Individual \
             Preferences via Interaction\" (arXiv 2410.03642): a model plays a persona that reveals itself part by \
             part; the preferred reply was written with what had been revealed, the rejected one without.\n\n{format} \
             `source` names the conversation, `scripted` says whether a rule wrote it.\n",
            self.plan.form.as_str(),
            env!("CARGO_PKG_VERSION")
        )
    }

    fn numbers(&self) -> String {
        let s = self.statistics;
        let rows = [
            ("examples to train on", s.train),
            ("examples to validate with (other profiles)", s.validation),
            ("general examples mixed in", s.mixed),
            ("conversations", s.conversations),
            ("of these imported", s.imported_conversations),
            ("turns", s.turns),
            ("turns on which the judge disagreed with itself", s.ties),
            ("turns on which the judge preferred the other reply", s.swapped),
            ("profiles", s.profiles),
            ("personalities", s.personalities),
            ("words to learn", s.target_words),
        ];
        let lines: String = rows.iter().map(|(name, count)| format!("| {name} | {count} |\n")).collect();
        format!("## Numbers\n\n| | |\n|---|---|\n{lines}")
    }

    fn origin(&self) -> Result<String> {
        let models: String =
            self.statistics.models.iter().map(|(model, count)| format!("| {model} | {count} |\n")).collect();
        let mix = match self.plan.mix.filter(|_| self.plan.form == Form::Sft) {
            Some(path) => format!("- general conversations: BLAKE3 `{}`\n", hash_of_file(path)?),
            None => String::new(),
        };
        let numbers = self.plan.numbers;
        let instructions = match numbers.system.is_empty() {
            true => "none".to_owned(),
            false => format!("\"{}\"", numbers.system.trim()),
        };
        Ok(format!(
            "## Origin\n\n| Role and model | Conversations |\n|---|---|\n{models}\n- seed: {}\n- ties: {}\n- \
             instructions: {instructions}\n- share of conversations that go on as new ones, with what memory keeps: \
             {}\n- conversations: BLAKE3 `{}`\n{mix}",
            self.plan.seed,
            format!("{:?}", numbers.ties).to_lowercase(),
            numbers.memory_share,
            self.trees_hash
        ))
    }
}
