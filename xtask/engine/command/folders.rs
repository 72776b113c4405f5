//! Where a deployment keeps files that are nobody else's.

use std::fs;
use std::os::unix::fs::DirBuilderExt;

use camino::{Utf8Path, Utf8PathBuf};
use hmac_sha256::Hash as Sha256;

use crate::hex;

/// `${work}`: an empty folder outside the working tree, kept until the next deployment. In the user's cache folder, so that no
/// tool that looks for a repository or a workspace above it finds one.
///
/// # Errors
/// If it cannot be made.
pub fn work(root: &Utf8Path, environment: &str, keep: bool) -> Result<Utf8PathBuf, String> {
    let cache = Utf8PathBuf::from_path_buf(crate::ledger::cache()).unwrap_or_else(|_| "/tmp/ciao".into());
    let clone = hex(&Sha256::hash(root.as_str().as_bytes())[..8]);
    let work = cache.join(clone).join(environment);
    let failed = |error: std::io::Error| {
        format!("failed to make the work folder {work}: {error}; make room, or set XDG_CACHE_HOME")
    };
    if !keep && work.exists() {
        fs::remove_dir_all(&work).map_err(failed)?;
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&work).map_err(failed)?;
    Ok(work)
}
