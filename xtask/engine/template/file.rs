//! One file of a repository: what is in it, what becomes of it, and its new content beside the old.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use hmac_sha256::Hash as Sha256;

use super::Refusal;
use ciao_base::hex;

/// What git is told to leave alone.
pub const GITIGNORE: &str = ".gitignore";

/// What happens to one file.
pub struct Change {
    /// From the root.
    pub path: Utf8PathBuf,
    /// What is there now; nothing if it is a new file.
    pub before: Option<Vec<u8>>,
    /// What will be there; nothing if it goes.
    pub after: Option<Vec<u8>>,
    pub executable: bool,
}

impl Change {
    /// What to do so that a file has this content; nothing if it has it.
    ///
    /// # Errors
    /// If what is there cannot be read.
    pub fn new(
        root: &Utf8Path,
        path: impl Into<Utf8PathBuf>,
        after: Option<Vec<u8>>,
    ) -> Result<Option<Change>, Refusal> {
        let path = path.into();
        let before = read(root, &path)?;
        Ok((before != after).then_some(Change { path, before, after, executable: false }))
    }
}

/// The content of a file; nothing if there is none.
///
/// # Errors
/// If it cannot be read, or stands outside the repository.
pub fn read(root: &Utf8Path, path: &Utf8Path) -> Result<Option<Vec<u8>>, Refusal> {
    let full = root.join(path);
    let real = full.ancestors().find_map(|folder| folder.canonicalize_utf8().ok());
    if real.is_some_and(|real| !real.starts_with(root)) {
        let help = "make it a file or folder of the repository, then again";
        return Err(Refusal::new(format!("{path} leads out of the repository"), help));
    }
    let below = full.ancestors().take_while(|part| *part != root);
    if let Some(link) = below.into_iter().find(|part| part.is_symlink() && !part.exists()) {
        return Err(Refusal::new(format!("{link} is a link to nothing"), "remove it, then again"));
    }
    // A pipe would be waited for.
    if fs::metadata(&full).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Err(Refusal::new(format!("{full} is no file"), "remove it, or give it another name, then again"));
    }
    match fs::read(&full) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            let file = full.ancestors().find(|folder| folder.is_file()).unwrap_or(&full);
            let help = "give that file another name, then again";
            Err(Refusal::new(format!("{file} is a file, and {path} needs a folder of that name"), help))
        }
        Err(error) => Err(Refusal::new(format!("failed to read {full}: {error}"), "mend that, then again")),
    }
}

/// SHA-256 of a text. Windows line ends count as others do: git may have made them in a checkout.
#[must_use]
pub fn fingerprint(content: &[u8]) -> String {
    let mut hash = Sha256::new();
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            hash.update(b"\n");
        }
        hash.update(line.strip_suffix(b"\r").unwrap_or(line));
    }
    hex(&hash.finalize())
}

/// A link that stands in the place of a file stays one: what it leads to is replaced.
pub fn real(full: &Utf8Path) -> Utf8PathBuf {
    full.canonicalize_utf8().unwrap_or_else(|_| full.to_owned())
}

/// Where new content stands until it takes the place of the old.
pub fn beside(full: &Utf8Path) -> Utf8PathBuf {
    let full = real(full);
    full.with_file_name(format!(".{}.ciao-new", full.file_name().unwrap_or_default()))
}

/// Writes beside the file, with its permissions if it is there.
///
/// # Errors
/// If it cannot be written; then nothing stands there.
pub fn laid_beside(full: &Utf8Path, content: &[u8], mode: Option<u32>) -> std::io::Result<Utf8PathBuf> {
    let path = beside(full);
    let mode = fs::metadata(full).map(|found| found.permissions().mode()).ok().or(mode);
    let laid = fs::write(&path, content)
        .and_then(|()| mode.map_or(Ok(()), |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode))));
    laid.inspect_err(|_| _ = fs::remove_file(&path)).map(|()| path)
}
