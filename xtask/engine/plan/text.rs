//! Strings with provenance: the value, and where each piece of it came from.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A string of the plan. Its *skeleton* (`${site.port}`) and its *value* (`8443`) are both there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    pub pieces: Vec<Piece>,
}

/// A part of a [`Text`].
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// As it stands in the file.
    Literal(Arc<str>),
    /// `${name}`, standing for what `value` says (a parameter's own value may be made of pieces in turn).
    Reference { name: Arc<str>, value: Arc<[Piece]> },
    /// The secret of this name. It is never in a plan.
    Secret(Arc<str>),
    /// What `step` (index into the plan's steps) produces, or the value at `path` in it.
    Output { step: u32, path: Vec<String>, secret: bool },
    /// Known only at run time, or different by machine or commit.
    Builtin(Builtin),
    /// A parameter without a value, which only switched-off steps may use.
    Missing,
}

/// The built-in names whose values are not in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    Release,
    Commit,
    Repo,
    Work,
}

/// An element of a list of arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    One(Text),
    /// `"${regions...}"`: one argument an item.
    Spread { name: Arc<str>, items: Vec<Text> },
}

/// The `with` of a task: TOML whose strings may be references.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Text),
    /// A string that was exactly one `${name}`: the value keeps its type.
    Typed { name: Arc<str>, value: Box<Tree> },
    List(Vec<Tree>),
    Table(BTreeMap<String, Tree>),
}
