//! `cargo xtask diff ENV ENV`: what differs between two environments.

use super::{Session, exit};
use crate::cli::DiffArgs;
use crate::show;

pub fn run(session: &Session<'_>, args: &DiffArgs) -> u8 {
    let repository = session.read();
    let known = |name: &String| repository.declarations.environments().any(|known| known == name);
    if let Some(unknown) = [&args.left, &args.right].into_iter().find(|name| !known(name)) {
        session.unknown_environment(&repository, unknown);
        return exit::REFUSED_BY_FINDINGS;
    }
    let examined = repository.examine(session.tasks);
    let (Some(left), Some(right)) = (examined.plan(&args.left), examined.plan(&args.right)) else {
        let cannot = examined.findings.iter().filter(|finding| finding.stops(&args.left) || finding.stops(&args.right));
        session.output.findings(cannot, &repository);
        return exit::REFUSED_BY_FINDINGS;
    };
    session.output.print(&show::diff::text(&repository.declarations, left, right));
    0
}
