//! Strings with provenance: the value, and where each piece of it came from.

use ciao_base::map;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::path::ROOT;

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
    Spread {
        name: Arc<str>,
        items: Vec<Text>,
    },
}

/// The `with` of a task: TOML whose strings may be references.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Text),
    /// A string that was exactly one `${name}`: the value keeps its type. With `...` behind its name it is a list, and
    /// stands in another one for its items.
    Typed {
        name: Arc<str>,
        value: Box<Tree>,
    },
    List(Vec<Tree>),
    Table(BTreeMap<String, Tree>),
}

impl Piece {
    #[must_use]
    pub fn holds_secret(&self) -> bool {
        match self {
            Piece::Secret(_) => true,
            Piece::Output { secret, .. } => *secret,
            Piece::Reference { value, .. } => value.iter().any(Piece::holds_secret),
            Piece::Literal(_) | Piece::Builtin(_) | Piece::Missing => false,
        }
    }
}

impl Text {
    #[must_use]
    pub fn literal(text: impl Into<Arc<str>>) -> Text {
        Text { pieces: vec![Piece::Literal(text.into())] }
    }

    #[must_use]
    pub fn holds_secret(&self) -> bool {
        self.pieces.iter().any(Piece::holds_secret)
    }

    /// The value, if all of it is known when the plan is made.
    #[must_use]
    pub fn known(&self) -> Option<Cow<'_, str>> {
        match self.pieces.as_slice() {
            // Most texts are a single piece.
            [Piece::Literal(text)] => Some(Cow::Borrowed(text)),
            pieces => known(pieces, None),
        }
    }

    /// The same with [`ROOT`] in place of `${repo}`: where that is differs by machine, and what is below it does not.
    #[must_use]
    pub fn known_in_repo(&self) -> Option<Cow<'_, str>> {
        match self.pieces.as_slice() {
            [Piece::Literal(text)] => Some(Cow::Borrowed(text)),
            pieces => known(pieces, Some(ROOT)),
        }
    }

    /// Whether a parameter, a constant, a secret or an output is in it.
    #[must_use]
    pub fn is_from_a_value(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::Literal(_) => false,
            Piece::Reference { name, value } => &**name != "environment" && !matches!(**value, [Piece::Builtin(_)]),
            _ => true,
        })
    }

    /// Every piece that is not a reference itself, in order.
    pub fn each_leaf(&self, visit: &mut dyn FnMut(&Piece)) {
        each_leaf(&self.pieces, visit);
    }
}

fn known<'t>(pieces: &[Piece], repo: Option<&str>) -> Option<Cow<'t, str>> {
    let mut value = String::new();
    all_known(pieces, repo, &mut value).then_some(Cow::Owned(value))
}

fn all_known(pieces: &[Piece], repo: Option<&str>, value: &mut String) -> bool {
    pieces.iter().all(|piece| match piece {
        Piece::Literal(text) => {
            value.push_str(text);
            true
        }
        Piece::Reference { value: inner, .. } => all_known(inner, repo, value),
        Piece::Builtin(Builtin::Repo) => repo.inspect(|root| value.push_str(root)).is_some(),
        _ => false,
    })
}

fn each_leaf(pieces: &[Piece], visit: &mut dyn FnMut(&Piece)) {
    for piece in pieces {
        match piece {
            Piece::Reference { value, .. } => each_leaf(value, visit),
            leaf => visit(leaf),
        }
    }
}

impl Builtin {
    pub const ALL: [(&'static str, Builtin); 4] =
        [("release", Builtin::Release), ("commit", Builtin::Commit), ("repo", Builtin::Repo), ("work", Builtin::Work)];

    #[must_use]
    pub fn name(self) -> &'static str {
        Builtin::ALL[self as usize].0
    }
}

impl Argument {
    /// The texts that it is made of.
    #[must_use]
    pub fn texts(&self) -> &[Text] {
        match self {
            Argument::One(text) => std::slice::from_ref(text),
            Argument::Spread { items, .. } => items,
        }
    }
}

impl Tree {
    /// The value alone, without the names that it came from: an argument is to its pipeline what a value is to all.
    #[must_use]
    pub fn bare(self) -> Tree {
        match self {
            Tree::Typed { value, .. } => value.bare(),
            Tree::List(items) => Tree::List(items.iter().flat_map(Tree::elements).cloned().map(Tree::bare).collect()),
            Tree::Table(entries) => Tree::Table(map(entries.into_iter().map(|(key, value)| (key, value.bare())))),
            other => other,
        }
    }

    /// What it is in a list: `"${name...}"` is every item of another one.
    #[must_use]
    pub fn elements(&self) -> &[Tree] {
        match self {
            Tree::Typed { name, value } if name.ends_with("...") => match &**value {
                Tree::List(items) => items,
                _ => std::slice::from_ref(self),
            },
            _ => std::slice::from_ref(self),
        }
    }

    /// As JSON, with `text` for its strings. What was one reference is given as `typed` says.
    pub fn to_json(
        &self,
        text: &dyn Fn(&Text) -> serde_json::Value,
        typed: &dyn Fn(&str, &Tree) -> Option<serde_json::Value>,
    ) -> serde_json::Value {
        match self {
            Tree::Boolean(boolean) => (*boolean).into(),
            Tree::Integer(integer) => (*integer).into(),
            Tree::Float(float) => (*float).into(),
            Tree::Text(string) => text(string),
            Tree::Typed { name, value } => typed(name, value).unwrap_or_else(|| value.to_json(text, typed)),
            Tree::List(items) => {
                let whole = |item: &Tree| matches!(item, Tree::Typed { name, value } if typed(name, value).is_some());
                let elements = |item| if whole(item) { std::slice::from_ref(item) } else { item.elements() };
                items.iter().flat_map(elements).map(|item| item.to_json(text, typed)).collect()
            }
            Tree::Table(table) => {
                let mut object = serde_json::Map::new();
                for (key, value) in table {
                    object.insert(key.clone(), value.to_json(text, typed));
                }
                serde_json::Value::Object(object)
            }
        }
    }

    /// As JSON, if all of it is known when the plan is made.
    #[must_use]
    pub fn as_json(&self) -> Option<serde_json::Value> {
        let mut all_known = true;
        self.each_text(&mut |text| all_known &= text.known().is_some());
        all_known.then(|| self.to_json(&|text| text.known().unwrap_or_default().as_ref().into(), &|_, _| None))
    }

    /// Every string in it.
    pub fn each_text(&self, visit: &mut dyn FnMut(&Text)) {
        match self {
            Tree::Text(text) => visit(text),
            Tree::Typed { value, .. } => value.each_text(visit),
            Tree::List(items) => items.iter().for_each(|item| item.each_text(visit)),
            Tree::Table(table) => table.values().for_each(|value| value.each_text(visit)),
            Tree::Boolean(_) | Tree::Integer(_) | Tree::Float(_) => {}
        }
    }
}
