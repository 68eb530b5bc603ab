//! `aloe eval metrics`: improvement rates of series of alignment levels.

use std::path::Path;

use super::shown;
use crate::cli::EvalMetricsArgs;
use crate::error::{Error, Result};
use crate::evaluation::Improvement;
use crate::output::Output;

pub(super) fn run(args: &EvalMetricsArgs, output: Output) -> Result<()> {
    let text = std::fs::read_to_string(&args.al).map_err(|error| Error::io(&args.al, error))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    // All are read before the first is printed: half a table would look like a whole one.
    let series: Vec<Improvement> = lines.map(|(line, number)| read(line, &args.al, number)).collect::<Result<_>>()?;
    if !args.json {
        output.data("IR\tN-IR\tN-R2\tmean");
    }
    for found in &series {
        let Improvement { ir, n_ir, n_r2, mean } = found;
        match args.json {
            true => output.json(found)?,
            false => output.data(&format!("{ir:.4}\t{}\t{}\t{mean:.4}", shown(*n_ir), shown(*n_r2))),
        }
    }
    Ok(())
}

fn read(line: &str, path: &Path, number: u64) -> Result<Improvement> {
    numbers(line).and_then(|series| Improvement::of(&series)).ok_or_else(|| Error::RecordInvalid {
        path: path.to_owned(),
        line: number,
        reason: "it takes two numbers or more, with blanks or commas between, or a JSON array of them".to_owned(),
    })
}

fn numbers(line: &str) -> Option<Vec<f64>> {
    if line.trim_start().starts_with('[') {
        return serde_json::from_str(line).ok();
    }
    let words = line.split([',', ' ', '\t', ';']).map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_in_the_forms_that_files_have() {
        for line in ["1 2.5 3", "1,2.5,3", "1, 2.5, 3", " 1\t2.5\t3\r", "[1, 2.5, 3]"] {
            assert_eq!(numbers(line.trim_end()), Some(vec![1.0, 2.5, 3.0]), "{line}");
        }
        for line in ["1 2 x", "[1, null]", "{}"] {
            assert!(numbers(line).is_none(), "{line}");
        }
        assert!(read("3", Path::new("f"), 1).is_err() && read("3 NaN", Path::new("f"), 1).is_err());
    }
}
