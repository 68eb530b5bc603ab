//! Examples as Parquet: lists of messages as nested columns, as dataset libraries read them.

use std::fs::File;
use std::sync::Arc;

use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::build::Form;
use crate::record::{ChatMessage, Example, PreferencePair, SftExample};

/// Examples in one row group: what is held in memory.
const ROWS: usize = 1000;

/// Leaf columns of a list of messages.
macro_rules! messages {
    ($name:literal) => {
        concat!(
            "required group ",
            $name,
            " (LIST) { repeated group list { required group element { required binary role (STRING); required binary \
             content (STRING); } } } "
        )
    };
}

const SFT: &str = concat!(
    "message sft { ",
    messages!("messages"),
    "required group loss_mask (LIST) { repeated group list { required boolean element; } } ",
    "required binary source (STRING); required boolean scripted; }"
);

const PREFERENCE: &str = concat!(
    "message preference { ",
    messages!("prompt"),
    messages!("chosen"),
    messages!("rejected"),
    "required binary source (STRING); required boolean scripted; }"
);

/// A Parquet file that grows by row groups.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<File>,
    rows: Vec<Example>,
}

/// One leaf column of a row group.
enum Leaf {
    Texts(Vec<ByteArray>, Option<Levels>),
    Flags(Vec<bool>, Option<Levels>),
}

/// Definition and repetition levels of a list: 0 begins a row, 1 goes on with it.
type Levels = (Vec<i16>, Vec<i16>);

impl ParquetFile {
    pub(super) fn create(file: File, form: Form) -> Result<Self> {
        let schema = match form {
            Form::Sft => SFT,
            Form::Preference => PREFERENCE,
        };
        let made_by = concat!("aloekit ", env!("CARGO_PKG_VERSION"));
        let properties = WriterProperties::builder().set_created_by(made_by.to_owned()).build();
        let writer = SerializedFileWriter::new(file, Arc::new(parse_message_type(schema)?), Arc::new(properties))?;
        Ok(Self { writer, rows: Vec::new() })
    }

    pub(super) fn push(&mut self, example: &Example) -> Result<()> {
        self.rows.push(example.clone());
        if self.rows.len() >= ROWS { self.flush() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<File> {
        self.flush()?;
        self.writer.into_inner()
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.writer.next_row_group()?;
        for leaf in leaves(&rows) {
            let Some(mut column) = group.next_column()? else { break };
            match (column.untyped(), &leaf) {
                (ColumnWriter::ByteArrayColumnWriter(writer), Leaf::Texts(values, levels)) => {
                    let (definition, repetition) = levels_of(levels.as_ref());
                    writer.write_batch(values, definition, repetition)?;
                }
                (ColumnWriter::BoolColumnWriter(writer), Leaf::Flags(values, levels)) => {
                    let (definition, repetition) = levels_of(levels.as_ref());
                    writer.write_batch(values, definition, repetition)?;
                }
                _ => return Err(parquet::errors::ParquetError::General("columns and schema differ".to_owned())),
            }
            column.close()?;
        }
        group.close().map(|_| ())
    }
}

fn levels_of(levels: Option<&Levels>) -> (Option<&[i16]>, Option<&[i16]>) {
    (levels.map(|(definition, _)| &definition[..]), levels.map(|(_, repetition)| &repetition[..]))
}

/// The leaf columns of these rows, in the order of the schema.
fn leaves(rows: &[Example]) -> Vec<Leaf> {
    let sft: Vec<&SftExample> =
        rows.iter().filter_map(|row| if let Example::Sft(e) = row { Some(e) } else { None }).collect();
    let pairs: Vec<&PreferencePair> =
        rows.iter().filter_map(|row| if let Example::Preference(p) = row { Some(p) } else { None }).collect();
    let mut leaves = Vec::new();
    if sft.is_empty() {
        leaves.extend(message_leaves(pairs.iter().map(|pair| &pair.prompt[..])));
        leaves.extend(message_leaves(pairs.iter().map(|pair| &pair.chosen[..])));
        leaves.extend(message_leaves(pairs.iter().map(|pair| &pair.rejected[..])));
    } else {
        leaves.extend(message_leaves(sft.iter().map(|example| &example.messages[..])));
        let flags = sft.iter().flat_map(|example| example.loss_mask.iter().copied()).collect();
        leaves.push(Leaf::Flags(flags, Some(list_levels(sft.iter().map(|example| example.loss_mask.len())))));
    }
    leaves.push(Leaf::Texts(rows.iter().map(|row| ByteArray::from(row.source())).collect(), None));
    leaves.push(Leaf::Flags(rows.iter().map(Example::scripted).collect(), None));
    leaves
}

fn message_leaves<'a>(lists: impl Iterator<Item = &'a [ChatMessage]> + Clone) -> [Leaf; 2] {
    let levels = || Some(list_levels(lists.clone().map(<[_]>::len)));
    let roles = lists.clone().flatten().map(|message| ByteArray::from(message.role.as_str())).collect();
    let contents = lists.clone().flatten().map(|message| ByteArray::from(message.content.as_str())).collect();
    [Leaf::Texts(roles, levels()), Leaf::Texts(contents, levels())]
}

/// Levels of lists of these lengths, none of them empty: every example has a message.
fn list_levels(lengths: impl Iterator<Item = usize>) -> Levels {
    let repetition: Vec<i16> = lengths.flat_map(|len| (0..len).map(|at| i16::from(at > 0))).collect();
    (vec![1; repetition.len()], repetition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    #[test]
    fn what_is_written_is_read_back_row_by_row() {
        let file = tempfile::tempfile().expect("temporary file");
        let mut parquet = ParquetFile::create(file.try_clone().expect("cloned"), Form::Preference).expect("created");
        let count = ROWS + 5;
        for number in 0..count {
            let mut prompt = vec![ChatMessage::user(format!("u{number}"))];
            for _ in 0..number % 3 {
                prompt.extend([ChatMessage::assistant("a"), ChatMessage::user("ü")]);
            }
            let pair = PreferencePair {
                prompt,
                chosen: vec![ChatMessage::assistant("yes")],
                rejected: vec![ChatMessage::assistant("no")],
                source: format!("tree-{number}"),
                scripted: number % 2 == 0,
            };
            parquet.push(&Example::Preference(pair)).expect("written");
        }
        parquet.finish().expect("finished");
        let reader = SerializedFileReader::new(file).expect("read");
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let rows: Vec<_> =
            reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()).collect();
        assert_eq!(rows.len(), count);
        assert!(
            rows[1].contains("{role: \"user\", content: \"u1\"}, {role: \"assistant\", content: \"a\"}"),
            "{}",
            rows[1]
        );
    }
}
