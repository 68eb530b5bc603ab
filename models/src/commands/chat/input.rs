//! Where lines come from: a script, a pipe, or a person at a terminal with a history.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use super::slash::COMMANDS;
use crate::commands::{data_folder, store_key};
use crate::error::{Error, Result};

/// A source of lines.
pub(crate) enum Input {
    Script { reader: Box<dyn BufRead>, path: PathBuf },
    Terminal { editor: Box<Editor<SlashHelper, DefaultHistory>>, history: Option<PathBuf> },
}

/// What came of asking for a line.
pub(crate) enum Read {
    Line(String),
    End,
}

impl Input {
    /// The script, or stdin: a person's where it is a terminal. Their lines are kept, but not beside an encrypted memory.
    pub(crate) fn open(script: Option<&Path>, data: &Path, key_file: Option<&Path>) -> Result<Self> {
        match script {
            Some(path) if path != Path::new("-") => {
                let file = File::open(path).map_err(|error| Error::io(path, error))?;
                Ok(Self::Script { reader: Box::new(BufReader::new(file)), path: path.to_path_buf() })
            }
            None if std::io::stdin().is_terminal() => {
                let is_secret = store_key::is_secret(&data_folder::store(data), key_file);
                Self::terminal((!is_secret).then(|| data_folder::history(data)))
            }
            _ => Ok(Self::Script { reader: Box::new(BufReader::new(std::io::stdin())), path: PathBuf::from("stdin") }),
        }
    }

    /// Whether a person is there to be asked.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// The next line.
    pub(crate) fn read(&mut self, prompt: &str) -> Result<Read> {
        match self {
            Self::Script { reader, path } => read_script(reader.as_mut(), path),
            Self::Terminal { editor, history } => {
                let read = read_terminal(editor, prompt)?;
                if let Read::Line(line) = &read
                    && !line.trim().is_empty()
                {
                    // A history that cannot be kept is no reason to end a conversation.
                    let _ = editor.add_history_entry(line.as_str());
                    if let Some(history) = history {
                        let _ = editor.append_history(history);
                    }
                }
                Ok(read)
            }
        }
    }

    /// Forgets the lines that were typed, on disk too.
    pub(crate) fn clear_history(&mut self) -> Result<()> {
        if let Self::Terminal { editor, history } = self {
            editor.clear_history().map_err(Error::internal)?;
            if let Some(history) = history {
                crate::cache::remove_if_there(history)?;
                create_private(history)?;
            }
        }
        Ok(())
    }

    fn terminal(history: Option<PathBuf>) -> Result<Self> {
        let mut editor = Editor::new().map_err(Error::internal)?;
        editor.set_helper(Some(SlashHelper));
        if let Some(history) = &history {
            create_private(history)?;
            // A damaged history is left behind, not repaired.
            let _ = editor.load_history(history);
        }
        Ok(Self::Terminal { editor: Box::new(editor), history })
    }
}

fn read_script(reader: &mut dyn BufRead, path: &Path) -> Result<Read> {
    let mut bytes = Vec::new();
    let read = reader.read_until(b'\n', &mut bytes).map_err(|error| Error::io(path, error))?;
    if read == 0 {
        return Ok(Read::End);
    }
    // What is not UTF-8 is shown as such to the model rather than ending the script.
    Ok(Read::Line(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Lines that end with a backslash go on; Ctrl-C empties the line, and at an empty prompt it leaves when repeated.
fn read_terminal(editor: &mut Editor<SlashHelper, DefaultHistory>, prompt: &str) -> Result<Read> {
    let mut text = String::new();
    let mut interrupted = false;
    loop {
        match editor.readline(if text.is_empty() { prompt } else { "… " }) {
            Ok(line) if line.ends_with('\\') => {
                text.push_str(line.trim_end_matches('\\'));
                text.push('\n');
            }
            Ok(line) => return Ok(Read::Line(text + &line)),
            Err(ReadlineError::Interrupted) if interrupted && text.is_empty() => return Ok(Read::End),
            Err(ReadlineError::Interrupted) => {
                text.clear();
                interrupted = true;
            }
            Err(ReadlineError::Eof) => return Ok(Read::End),
            Err(ReadlineError::Io(error)) => return Err(Error::io("terminal", error)),
            Err(error) => return Err(Error::internal(error)),
        }
    }
}

/// What was typed is private: only its owner reads it.
fn create_private(path: &Path) -> Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| Error::io(path, error))
}

/// Completes slash commands.
pub(crate) struct SlashHelper;

impl Helper for SlashHelper {}
impl Highlighter for SlashHelper {}
impl Validator for SlashHelper {}
impl Hinter for SlashHelper {
    type Hint = String;
}

impl Completer for SlashHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..at];
        let fits =
            COMMANDS.iter().map(|(name, ..)| *name).filter(|name| typed.starts_with('/') && name.starts_with(typed));
        Ok((0, fits.map(|name| Pair { display: name.to_owned(), replacement: name.to_owned() }).collect()))
    }
}
