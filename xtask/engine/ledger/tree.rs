//! The trees of git: which names an object of that kind has, of which mode (gitformat and `git ls-tree`).

pub(super) struct Entry<'a> {
    /// Mode, name and the byte that ends it.
    pub head: &'a [u8],
    pub name: &'a [u8],
    pub id: &'a [u8],
}

pub(super) fn entries(mut tree: &[u8], width: usize) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    while let Some(end) = tree.iter().position(|&byte| byte == 0) {
        let (head, rest) = tree.split_at(end + 1);
        if rest.len() < width {
            break;
        }
        let (id, rest) = rest.split_at(width);
        let space = head.iter().position(|&byte| byte == b' ').unwrap_or(0);
        entries.push(Entry { head, name: &head[space + 1..end], id });
        tree = rest;
    }
    entries
}
