//! The Rust tasks that the steps of this repository's pipelines call.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use ciao::{TaskResult, Tasks};
use hmac_sha256::Hash as Sha256;
use serde::Deserialize;

/// Every task, by the name that steps use.
#[must_use]
pub fn all() -> Tasks {
    Tasks::new()
        .add("fill", "write a page from its template", fill)
        .add("seal", "list the checksums of all files of a folder in it, and name the whole", seal)
        .add("switch", "let a symbolic link lead somewhere else, without a gap", switch)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    template: PathBuf,
    file: PathBuf,
    values: BTreeMap<String, String>,
}

fn fill(Page { template, file, values }: Page) -> TaskResult {
    let template = fs::read_to_string(template)?;
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").ok_or("a {{ is not closed")?;
        let value =
            values.get(name).ok_or_else(|| format!("the template wants {name}, and the step does not give it"))?;
        page += &value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        page += rest;
    }
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    Ok(fs::write(file, page)?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Folder {
    folder: PathBuf,
}

/// The name comes from the names and the contents of the files, and from nothing else.
fn seal(Folder { folder }: Folder) -> TaskResult<String> {
    let list = folder.join("SHA256SUMS");
    let mut sums = Vec::new();
    let mut open = vec![folder.clone()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?);
        } else if path != list {
            sums.push(format!("{}  {}\n", sha256(&fs::read(&path)?), path.strip_prefix(&folder)?.display()));
        }
    }
    sums.sort();
    let sums = sums.concat();
    fs::write(list, &sums)?;
    Ok(sha256(sums.as_bytes())[..12].to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    link: PathBuf,
    to: PathBuf,
}

/// `ln -sf` removes the link first, and `mv` moves into the folder that it leads to: only a rename leaves no gap.
fn switch(Link { link, to }: Link) -> TaskResult {
    let next = link.with_extension("next");
    fs::remove_file(&next)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    std::os::unix::fs::symlink(to, &next)?;
    Ok(fs::rename(next, link)?)
}
