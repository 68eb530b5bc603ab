//! Where examples go: a train and a validation file, as JSON lines and as Parquet, each whole when it appears.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::build::Form;
use super::parquet::ParquetFile;
use crate::error::{Error, Result};
use crate::record::Example;

/// The folder of the data in a dataset.
pub(super) const DATA: &str = "data";
/// The names of the two parts.
pub(super) const PARTS: [&str; 2] = ["train", "validation"];

/// The files of a dataset, or nothing in a dry run.
pub(super) struct Sink {
    parts: Vec<Part>,
}

struct Part {
    name: PathBuf,
    jsonl: BufWriter<NamedTempFile>,
    parquet: ParquetFile,
    parquet_file: NamedTempFile,
    rows: usize,
}

impl Sink {
    pub(super) fn open(out: Option<&Path>, form: Form) -> Result<Self> {
        let Some(out) = out else { return Ok(Self { parts: Vec::new() }) };
        let folder = out.join(DATA);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        let parts = PARTS.iter().map(|name| Part::open(&folder, name, form)).collect::<Result<_>>()?;
        Ok(Self { parts })
    }

    pub(super) fn write(&mut self, example: &Example, validation: bool) -> Result<()> {
        match self.parts.get_mut(usize::from(validation)) {
            Some(part) => part.write(example),
            None => Ok(()),
        }
    }

    /// Gives the files their names; a part without rows has none, and an older one of its name goes.
    pub(super) fn finish(self) -> Result<()> {
        self.parts.into_iter().try_for_each(Part::finish)
    }
}

impl Part {
    fn open(folder: &Path, name: &str, form: Form) -> Result<Self> {
        let temporary = || {
            let made = tempfile::Builder::new().prefix(".part-").tempfile_in(folder);
            made.map_err(|error| Error::io(folder, error))
        };
        let (jsonl, parquet_file) = (BufWriter::new(temporary()?), temporary()?);
        let handle = parquet_file.as_file().try_clone().map_err(|error| Error::io(folder, error))?;
        let parquet = ParquetFile::create(handle, form).map_err(Error::internal)?;
        Ok(Self { name: folder.join(name), jsonl, parquet, parquet_file, rows: 0 })
    }

    fn write(&mut self, example: &Example) -> Result<()> {
        self.rows += 1;
        serde_json::to_writer(&mut self.jsonl, example).map_err(Error::internal)?;
        self.jsonl.write_all(b"\n").map_err(|error| Error::io(&self.name, error))?;
        self.parquet.push(example).map_err(|error| write_error(&self.name, error))
    }

    fn finish(self) -> Result<()> {
        let Self { name, jsonl, parquet, parquet_file, rows } = self;
        parquet.finish().map_err(|error| write_error(&name, error))?;
        let jsonl = jsonl.into_inner().map_err(|error| Error::io(&name, error.into_error()))?;
        for (file, ending) in [(jsonl, "jsonl"), (parquet_file, "parquet")] {
            let path = name.with_extension(ending);
            if rows == 0 {
                crate::run_dir::remove_if_there(&path)?;
                continue;
            }
            keep(file, &path).map_err(|error| Error::io(&path, error))?;
        }
        Ok(())
    }
}

fn keep(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    let kept: File = file.persist(path).map_err(|error| error.error)?;
    drop(kept);
    Ok(())
}

fn write_error(path: &Path, error: parquet::errors::ParquetError) -> Error {
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => Error::io(path, *source),
            Err(source) => Error::internal(source),
        },
        error => Error::internal(error),
    }
}
