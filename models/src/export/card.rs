//! The model card of an export: what it was made of and what is known of it, from the records of the run alone.
//!
//! Nothing is written by hand and nothing is guessed: a figure that was not measured stands in the section of limits. The
//! same records give the same bytes. The form is that of Hugging Face cards, so the file can be published as README.md.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::run_dir::write_whole;

/// What a card is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exported {
    Gguf,
    Peft,
    Merged,
}

/// The base, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct BaseFacts {
    pub(crate) file: String,
    pub(crate) blake3: String,
    pub(crate) licence: Option<String>,
    pub(crate) hf_base: Option<String>,
}

/// What a card says.
#[derive(Debug)]
pub(crate) struct ModelCard<'a> {
    pub(crate) exported: Exported,
    pub(crate) name: &'a str,
    /// The exported file with its BLAKE3; none of a folder.
    pub(crate) file: Option<(&'a str, &'a str)>,
    /// How the weights of a merged model are stored.
    pub(crate) stored: Option<&'a str>,
    pub(crate) base: &'a BaseFacts,
    pub(crate) adapter_blake3: &'a str,
    /// Rank, alpha and the projections that the adapter changes.
    pub(crate) lora: (usize, f32, Vec<&'static str>),
    pub(crate) records: &'a Records,
    /// Tables of the benchmark, where runs of it were named.
    pub(crate) benchmark: Option<&'a str>,
}

/// What `aloe train` left beside the adapter; empty for one that was trained elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Records {
    config: Option<Value>,
    statistics: Option<Value>,
    first: Option<Value>,
    last: Option<Value>,
    last_step: Option<Value>,
}

impl Records {
    /// Reads the folder of a finished or unfinished run.
    pub(crate) fn read(adapter: &Path) -> Self {
        let state = adapter.join("state");
        let document = |name: &str| serde_json::from_slice(&std::fs::read(state.join(name)).ok()?).ok();
        let log = std::fs::read_to_string(state.join("log.jsonl")).unwrap_or_default();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut held_out = lines.iter().filter(|line| line.get("eval_loss").is_some());
        let first = held_out.next().cloned();
        Self {
            config: document("config.json"),
            statistics: document("dataset/statistics.json"),
            last: held_out.next_back().cloned(),
            first,
            last_step: lines.iter().rfind(|line| line.get("grad_norm").is_some()).cloned(),
        }
    }

    fn task(&self) -> Option<&str> {
        self.config.as_ref()?["numbers"]["task"].as_str()
    }

    fn scripted(&self) -> u64 {
        self.statistics.as_ref().and_then(|statistics| statistics["scripted"].as_u64()).unwrap_or(0)
    }
}

impl ModelCard<'_> {
    /// Writes the card.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        write_whole(path, self.text().as_bytes())
    }

    fn text(&self) -> String {
        let parts =
            [self.header(), self.about(), self.usage(), self.data(), self.training(), self.measured(), self.limits()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn header(&self) -> String {
        let licence = self.base.licence.as_deref();
        let mut lines =
            vec![format!("base_model: {}", quoted(self.base.hf_base.as_deref().unwrap_or(&self.base.file)))];
        let (relation, library, format) = match self.exported {
            Exported::Gguf => ("adapter", "gguf", "gguf"),
            Exported::Peft => ("adapter", "peft", "safetensors"),
            Exported::Merged => ("merge", "gguf", "gguf"),
        };
        lines.push(format!("base_model_relation: {relation}"));
        lines.push(format!("library_name: {library}"));
        match licence.map(|licence| (licence, spdx(licence))) {
            Some((_, Some(id))) => lines.push(format!("license: {id}")),
            Some((name, None)) => {
                lines.extend(["license: other".to_owned(), format!("license_name: {}", quoted(name))])
            }
            None => lines.push("license: unknown".to_owned()),
        }
        lines.push("pipeline_tag: text-generation".to_owned());
        lines.push("language:\n  - en".to_owned());
        let tags = ["aloe", "lora", format].into_iter().chain(self.records.task());
        lines.push(format!("tags:\n{}", tags.map(|tag| format!("  - {tag}")).collect::<Vec<_>>().join("\n")));
        format!("---\n{}\n---\n", lines.join("\n"))
    }

    fn about(&self) -> String {
        let what = match self.exported {
            Exported::Gguf => "A LoRA adapter in llama.cpp's GGUF form".to_owned(),
            Exported::Peft => "A LoRA adapter in PEFT's form".to_owned(),
            Exported::Merged => {
                format!("A model with a LoRA adapter merged in, stored as {}", self.stored.unwrap_or("its base is"))
            }
        };
        let how = match self.records.task() {
            Some("dpo") => {
                " It was trained to prefer replies that suit a person over replies that know nothing of them."
            }
            Some("sft") => " It was trained to imitate replies that suit a person.",
            _ => "",
        };
        let (rank, alpha, targets) = &self.lora;
        let mut rows = vec![
            ("base", format!("`{}`, BLAKE3 `{}`", self.base.file, self.base.blake3)),
            (
                "licence of the base",
                self.base.licence.clone().unwrap_or_else(|| "not known here: ask where it comes from".into()),
            ),
            ("adapter", format!("rank {rank}, alpha {alpha}, on {}", targets.join(", "))),
            ("adapter's BLAKE3", format!("`{}`", self.adapter_blake3)),
        ];
        if let Some((file, hash)) = self.file {
            rows.push(("this file", format!("`{file}`, BLAKE3 `{hash}`")));
        }
        format!("# {}\n\n{what}, made with AloeKit {}.{how}\n\n{}", self.name, env!("CARGO_PKG_VERSION"), table(&rows))
    }

    fn usage(&self) -> String {
        let file = self.file.map_or(self.name, |(file, _)| file);
        let line = match self.exported {
            Exported::Merged => format!("aloe chat --model {file}"),
            Exported::Gguf => format!("aloe chat --model {} --adapter {file}", self.base.file),
            Exported::Peft => {
                format!("aloe export --adapter {file} --base {} --format gguf --out adapter.gguf", self.base.file)
            }
        };
        format!("## Use\n\n```sh\n{line}\n```\n")
    }

    fn data(&self) -> String {
        let mut text = "## Training data\n\n".to_owned();
        if self.records.scripted() > 0 {
            text.push_str(&format!(
                "**{} of the examples were written by rule (the scripted provider), with planted preferences. They are for \
                 tests and say nothing of how people talk.**\n\n",
                self.records.scripted()
            ));
        }
        match &self.records.statistics {
            Some(statistics) => {
                let known = [
                    ("train", "examples to train on"),
                    ("validation", "examples held out (other profiles)"),
                    ("conversations", "conversations"),
                    ("imported_conversations", "of these imported"),
                    ("profiles", "profiles"),
                    ("personalities", "personalities"),
                ];
                let rows: Vec<_> = known.iter().map(|(key, words)| (*words, statistics[*key].to_string())).collect();
                text.push_str(&table(&rows));
                for (writer, count) in statistics["models"].as_object().into_iter().flatten() {
                    text.push_str(&format!("- written by {writer}: {count}\n"));
                }
            }
            None => text.push_str("What it was trained on is known by its hash alone, or not at all.\n"),
        }
        let inputs = self.records.config.as_ref().and_then(|config| config["inputs"].as_object());
        for (input, hash) in inputs.into_iter().flatten().filter(|(input, _)| *input != "base") {
            text.push_str(&format!("- {input}: BLAKE3 `{}`\n", hash.as_str().unwrap_or_default()));
        }
        text
    }

    fn training(&self) -> String {
        let Some(config) = &self.records.config else {
            return "## Training\n\nIt was trained elsewhere; no record of it lies beside the adapter.\n".to_owned();
        };
        let numbers = config["numbers"].as_object().into_iter().flatten();
        let mut rows: Vec<(&str, String)> = numbers.map(|(name, value)| (name.as_str(), plain(value))).collect();
        rows.push(("seed", plain(&config["seed"])));
        let version = plain(&config["version"]);
        format!(
            "## Training\n\nHyperparameters, by their names in the preset; begun with aloe {version}.\n\n{}",
            table(&rows)
        )
    }

    fn measured(&self) -> String {
        let names = [
            ("eval_loss", "loss"),
            ("eval_token_accuracy", "token accuracy"),
            ("rewards/chosen", "reward of chosen"),
            ("rewards/rejected", "reward of rejected"),
            ("rewards/margins", "margin"),
            ("rewards/accuracies", "preference accuracy"),
        ];
        let mut text = String::new();
        if let Some(before) = &self.records.first {
            let after = self.records.last.as_ref().unwrap_or(before);
            let figures = names.iter().filter(|(key, _)| before[*key].is_number());
            let lines: String = figures
                .map(|(key, words)| format!("| {words} | {} | {} |\n", plain(&before[*key]), plain(&after[*key])))
                .collect();
            text.push_str(&format!(
                "## Measured on {} held-out examples\n\n| | before, step {} | after, step {} |\n|---|---|---|\n{lines}",
                plain(&before["eval_examples"]),
                before["step"],
                after["step"]
            ));
        }
        if let Some(step) = &self.records.last_step {
            text.push_str(&format!(
                "\nThe last step was number {}, with a loss of {}.\n",
                step["step"],
                plain(&step["loss"])
            ));
        }
        if let Some(tables) = self.benchmark {
            // Its own headings go one level down.
            let tables: String = tables
                .lines()
                .map(|line| match line.starts_with('#') {
                    true => format!("#{line}\n"),
                    false => format!("{line}\n"),
                })
                .collect();
            text.push_str(&format!("\n## The ALOE benchmark\n\n{tables}"));
        }
        text
    }

    fn limits(&self) -> String {
        let mut points = vec![
            "General skill (knowledge, reasoning, perplexity on plain text) and safety were not measured after training.",
            "Training data and measurements are in English.",
        ];
        if self.records.first.is_none() {
            points.push("Nothing was measured on held-out examples.");
        }
        if self.benchmark.is_none() {
            points.push(
                "The ALOE benchmark was not run on it, so how well it suits a person over a conversation is not known.",
            );
        }
        match self.exported {
            Exported::Merged => points.push("The figures above are of the adapter on its base; what storing the merged weights anew costs was not measured."),
            Exported::Gguf | Exported::Peft => points.push("The figures above hold for this base file alone; another quantization of it was not measured."),
        }
        if self.records.scripted() > 0 {
            points.push("It learned from conversations that rules wrote: no person would prefer anything of it.");
        }
        format!("## Limits\n\n{}", points.iter().map(|point| format!("- {point}\n")).collect::<String>())
    }
}

/// The identifier that Hugging Face knows a licence by.
fn spdx(licence: &str) -> Option<&'static str> {
    let licence = licence.to_lowercase();
    let known = [
        ("apache-2.0", "apache-2.0"),
        ("apache 2.0", "apache-2.0"),
        ("mit", "mit"),
        ("llama 3.2 community license", "llama3.2"),
        ("llama 3.2 community licence", "llama3.2"),
        ("llama3.2", "llama3.2"),
        ("meta llama 3 community license", "llama3"),
        ("llama 3 community license", "llama3"),
        ("llama3", "llama3"),
        ("gemma", "gemma"),
    ];
    known.into_iter().find(|(name, _)| licence == *name).map(|(_, id)| id)
}

fn table(rows: &[(&str, String)]) -> String {
    let lines: String = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
    format!("| | |\n|---|---|\n{lines}")
}

/// A number with the digits that mean something; words without quotation marks.
fn plain(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            // Presets hold some numbers in single precision, whose digits would be shown as noise.
            let rounded: f64 = format!("{number:.5e}").parse().unwrap_or(number);
            format!("{rounded}")
        }
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A scalar of YAML, whatever it holds.
fn quoted(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    if text.chars().all(safe) { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn base() -> BaseFacts {
        let (licence, hf_base) = (Some("Apache-2.0".to_owned()), Some("someone/base".to_owned()));
        BaseFacts { file: "base.gguf".into(), blake3: "aa".into(), licence, hf_base }
    }

    fn card<'a>(base: &'a BaseFacts, records: &'a Records) -> ModelCard<'a> {
        ModelCard {
            exported: Exported::Gguf,
            name: "dpo",
            file: Some(("adapter.gguf", "bb")),
            stored: None,
            base,
            adapter_blake3: "cc",
            lora: (8, 16.0, vec!["q_proj", "v_proj"]),
            records,
            benchmark: None,
        }
    }

    #[test]
    fn a_card_says_what_the_records_say() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let state = folder.path().join("state");
        std::fs::create_dir_all(state.join("dataset")).expect("made");
        let numbers = json!({ "task": "dpo", "beta": 0.9, "dropout": f64::from(0.1_f32), "lr": 1e-5, "targets": ["q_proj", "v_proj"] });
        let config = json!({ "version": "0.1.0", "seed": 7, "numbers": numbers, "roles": {}, "inputs": { "base": "aa", "data": "dd" } });
        std::fs::write(state.join("config.json"), config.to_string()).expect("written");
        let statistics = json!({ "train": 84, "validation": 12, "scripted": 96, "models": { "user gpt": 12 } });
        std::fs::write(state.join("dataset/statistics.json"), statistics.to_string()).expect("written");
        let log = [
            json!({ "step": 0, "eval_loss": 0.6875, "rewards/margins": 0.0, "eval_examples": 12.0 }),
            json!({ "step": 4, "loss": 0.1, "grad_norm": 1.0 }),
            json!({ "step": 4, "eval_loss": 0.056, "rewards/margins": 3.8, "eval_examples": 12.0 }),
        ];
        std::fs::write(state.join("log.jsonl"), log.map(|line| format!("{line}\n")).concat()).expect("written");
        let (base, records) = (base(), Records::read(folder.path()));
        let text = card(&base, &records).text();
        for words in [
            "base_model: someone/base\n",
            "license: apache-2.0\n",
            "  - dpo\n",
            "| beta | 0.9 |",
            "| dropout | 0.1 |",
            "| lr | 0.00001 |",
            "| seed | 7 |",
            "- data: BLAKE3 `dd`",
            "- written by user gpt: 12",
            "96 of the examples were written by rule",
            "| loss | 0.6875 | 0.056 |",
            "| margin | 0 | 3.8 |",
            "The ALOE benchmark was not run",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(text, card(&base, &Records::read(folder.path())).text(), "the same records, the same bytes");
    }

    #[test]
    fn what_is_not_known_is_said_to_be_so() {
        let (base, records) =
            (BaseFacts { licence: Some("House rules: no".into()), ..BaseFacts::default() }, Records::default());
        let text = card(&base, &records).text();
        for words in [
            "license: other\nlicense_name: \"House rules: no\"",
            "trained elsewhere",
            "Nothing was measured on held-out",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
