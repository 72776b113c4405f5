//! Keeps what a clone holds from growing with every event: packs are joined, and what killed commands left behind goes.
//!
//! Nothing here is needed for anything to be right, so what fails is left for the next time. It knows nothing of events.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::git::{Call, Git};
use super::pack::OURS;
use super::place::lock;

/// git looks through every pack for an object that it does not find at once; with so many it takes a millisecond longer.
const MANY: usize = 24;
/// Longer packs, in bytes, are left as they are: to write them anew would take longer than they cost.
const LONG: u64 = 4 << 20;
/// What is this old belongs to no command that still runs: an event is written within minutes.
const OLD: Duration = Duration::from_secs(86_400);

/// What was found, and is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Packs that are neither long nor kept.
    pub packs: usize,
    pub joined: bool,
    /// Files of commands that were killed.
    pub removed: Vec<PathBuf>,
}

/// Joins the packs of events where there are many, and removes what is ours, unfinished and old.
pub fn tidy(git: &Git) -> Tidied {
    let folder = git.common.join("objects/pack");
    let mut tidied = Tidied { removed: leftovers(&folder), ..Tidied::default() };
    let checkouts = entries(&git.common.join("ciao")).into_iter();
    let checkouts = checkouts.filter(|path| name(path).starts_with(CHECKOUT) && old(path));
    tidied.removed.extend(checkouts.filter(|path| std::fs::remove_dir_all(path).is_ok()));
    let packs = entries(&folder).into_iter().filter(|path| name(path).ends_with(".pack"));
    let (long, short): (Vec<PathBuf>, Vec<PathBuf>) = packs
        .filter(|path| !path.with_extension("keep").exists())
        .partition(|path| std::fs::metadata(path).is_ok_and(|meta| meta.len() > LONG));
    tidied.packs = short.len();
    if tidied.packs > MANY
        && let Ok(Some(_lock)) = lock(&git.common.join("ciao"))
    {
        // Unlike a gc it throws nothing away, reachable or not, and leaves alone what is kept or comes meanwhile.
        let kept: Vec<String> = long.iter().map(|path| format!("--keep-pack={}", name(path))).collect();
        let mut repack = Call::new(&["repack", "--geometric=2", "-d", "-l", "--quiet"]);
        repack.args.extend(kept.iter().map(String::as_str));
        tidied.joined = git.call(&repack).is_ok_and(|said| said.ok);
    }
    tidied
}

/// The beginning of the name of a folder that `approve` reads a commit from.
pub const CHECKOUT: &str = "checkout-";

/// Drafts, and `.keep` files whose pack no command is writing any more.
fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let ours = |path: &PathBuf| match path.extension().and_then(|ending| ending.to_str()) {
        Some(OURS) => old(path),
        Some("keep") => old(path) && std::fs::read(path).is_ok_and(|words| words.trim_ascii() == OURS.as_bytes()),
        _ => false,
    };
    entries(folder).into_iter().filter(ours).filter(|path| std::fs::remove_file(path).is_ok()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn old(path: &Path) -> bool {
    let age = std::fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > OLD)
}
