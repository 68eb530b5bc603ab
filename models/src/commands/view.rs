//! `aloe view` and `aloe report`: a run as a page, served to this machine or written as one file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::pipeline::Vectors;
use crate::cli::{LookArgs, ReportArgs, ViewArgs};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::persona::{FOLDER, POOL, PoolMap, pool_map};
use crate::provider::Prices;
use crate::record::{PoolKind, PoolMember};
use crate::run_dir::{hash_of_file, write_whole};
use crate::settings::Settings;
use crate::view::{Contents, Conversations, Looked, Mode, Ratings, Server, is_run, page, pool_of, secret};

/// The map of a pool, kept with what it was drawn from.
const MAP: &str = "map.json";

/// Texts of one kind that are drawn at most: a larger map is a cloud, and its neighbours take long.
const MOST_DRAWN: usize = 5000;

#[derive(Serialize, Deserialize)]
struct KeptMap {
    drawn_from: String,
    maps: BTreeMap<PoolKind, PoolMap>,
}

pub(crate) fn view(args: &ViewArgs, settings: &Settings, output: Output) -> Result<()> {
    let (prices, maps) = prepare(&args.look, settings, output)?;
    let looked = Looked { run: args.look.dir(), prices: &prices, maps };
    let ratings = Ratings::open(looked.run)?;
    let server = Server::bind(args.port)?;
    output.data(&server.address());
    output.note("open the address in a browser on this machine; Ctrl-C ends it");
    server.run(&looked, ratings)
}

pub(crate) fn report(args: &ReportArgs, settings: &Settings, output: Output) -> Result<()> {
    let (prices, maps) = prepare(&args.look, settings, output)?;
    let looked = Looked { run: args.look.dir(), prices: &prices, maps };
    let spinner = output.spinner("reading the run");
    let conversations = Conversations::open(looked.run)?;
    let whole = conversations.len().min(args.conversations);
    let trees = (0..whole).map(|place| conversations.read(place)).collect::<Result<_>>()?;
    let contents = Contents::read(&looked, &conversations, Ratings::read(looked.run)?)?;
    write_whole(&absolute(&args.out)?, page(&contents, &Mode::File(trees), &secret()?)?.as_bytes())?;
    drop(spinner);
    if whole < conversations.len() {
        output.warn(&format!("{whole} of {} conversations are in it whole (--conversations N)", conversations.len()));
    }
    output.note(&format!("{}", args.out.display()));
    Ok(())
}

fn absolute(path: &Path) -> Result<std::path::PathBuf> {
    std::path::absolute(path).map_err(|error| Error::io(path, error))
}

fn prepare(look: &LookArgs, settings: &Settings, output: Output) -> Result<(Prices, BTreeMap<PoolKind, PoolMap>)> {
    let prices = Prices::parse(&look.price)?;
    if !is_run(look.dir()) {
        let reason = format!("{} is no run directory", look.dir().display());
        return Err(Error::usage(reason, "name the folder that was given to `aloe personas --run`"));
    }
    Ok((prices, maps(look, settings, output)?))
}

/// The maps of the pool, kept beside it from one look to the next; none without a pool or an embedder.
fn maps(look: &LookArgs, settings: &Settings, output: Output) -> Result<BTreeMap<PoolKind, PoolMap>> {
    let folder = look.dir().join(FOLDER);
    let members = pool_of(look.dir())?;
    if members.is_empty() || look.embedder.as_deref() == Some("none") {
        return Ok(BTreeMap::new());
    }
    let named = look.embedder.as_deref().unwrap_or("default");
    let drawn_from = format!("{named} {}", hash_of_file(&folder.join(POOL))?);
    let kept = std::fs::read(folder.join(MAP)).ok().and_then(|bytes| serde_json::from_slice::<KeptMap>(&bytes).ok());
    if let Some(kept) = kept.filter(|kept| kept.drawn_from == drawn_from) {
        return Ok(kept.maps);
    }
    let spinner = output.spinner("drawing the map of the pool");
    let vectors = Vectors::open(look.embedder.as_deref(), settings, output)?;
    let mut kept = KeptMap { drawn_from, maps: BTreeMap::new() };
    for kind in [PoolKind::Profile, PoolKind::Personality] {
        kept.maps.insert(kind, pool_map(&texts(&members, kind), &|texts: &[String]| vectors.embed(texts))?);
    }
    drop(spinner);
    // A run that may only be read is looked at all the same.
    if let Err(error) = write_whole(&folder.join(MAP), &serde_json::to_vec(&kept).map_err(Error::internal)?) {
        output.warn(&format!("the map was not kept: {error}"));
    }
    Ok(kept.maps)
}

fn texts(members: &[PoolMember], kind: PoolKind) -> Vec<String> {
    let of_kind = members.iter().filter(|member| member.kind == kind);
    of_kind.take(MOST_DRAWN).map(|member| member.text.clone()).collect()
}
