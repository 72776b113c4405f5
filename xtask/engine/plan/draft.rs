//! What a plan is made from, and what there is of it while it is made.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use camino::Utf8Path;

use super::Tree;
use super::names::{Named, Names};
use ciao_base::map;
use ciao_base::task::Tasks;
use ciao_declare::finding::{Code, Finding, Place, Span};
use ciao_declare::step::Step as Declared;
use ciao_declare::{self as declare, Declarations, pipeline_file};

/// Everything a plan is made from.
#[derive(Clone, Copy)]
pub struct Inputs<'d> {
    pub declarations: &'d Declarations,
    pub tasks: &'d Tasks,
    /// The texts, for line numbers.
    pub sources: &'d ciao_declare::sources::Sources,
}

/// What is the same of a pipeline in every environment, made once.
pub struct File {
    pub path: Arc<Utf8Path>,
    /// Where its steps work, if nothing else is said.
    pub folder: Arc<str>,
    /// The direct needs among its steps.
    pub within: OnceLock<Within>,
    /// Where its lines begin.
    pub lines: OnceLock<Vec<usize>>,
}

/// The files of all pipelines, by the pipeline's name.
pub type Files = BTreeMap<Arc<str>, File>;

/// The files of all pipelines.
#[must_use]
pub fn files(declarations: &Declarations) -> Files {
    let file = |name: &Arc<str>| {
        let path: Arc<Utf8Path> = Arc::from(pipeline_file(name).as_path());
        let folder = path.parent().map_or("", Utf8Path::as_str).into();
        (Arc::clone(name), File { path, folder, within: OnceLock::new(), lines: OnceLock::new() })
    };
    map(declarations.pipelines.keys().map(file))
}

/// The direct needs within one file, and what is wrong with them.
#[derive(Default)]
pub struct Within {
    pub needs: Vec<Vec<u32>>,
    /// An order in which its items may come.
    pub order: Vec<u32>,
    /// Whether there was none, because of a cycle, and that is without it.
    pub cyclic: bool,
    pub findings: Vec<Finding>,
}

/// The item of a `for_each`.
#[derive(Debug, Clone)]
pub struct Item {
    /// `None` where the list has no value: then there is one instance, of which nothing is known, `web[${each}]`.
    pub name: Option<String>,
    pub tree: Arc<Named>,
}

impl Item {
    pub fn new(name: Option<String>, tree: Option<Tree>) -> Item {
        Item { name, tree: Arc::new(Named::new("each".into(), tree)) }
    }

    /// What stands in the id of an instance.
    pub fn in_brackets(&self) -> String {
        format!("[{}]", self.name.as_deref().unwrap_or("${each}"))
    }
}

/// One instance of a call, before its steps are made.
pub struct Instance<'d> {
    pub deploy: usize,
    pub item: Option<Item>,
    pub own: HashMap<Arc<str>, Named>,
    pub runs: bool,
    pub pipeline: &'d declare::Pipeline,
    pub file: &'d File,
}

/// One instance of a step, before its strings are made.
pub struct Draft<'d> {
    pub call: usize,
    /// Index among the steps of its pipeline.
    pub index: usize,
    pub declared: &'d Declared,
    pub item: Option<Item>,
    pub runs: bool,
}

/// A plan while it is made.
pub struct Builder<'d, 'e> {
    pub inputs: Inputs<'d>,
    pub environment: &'e str,
    pub files: &'d Files,
    pub names: Names,
    /// Whether it is a skeleton: no value is looked at, so every `for_each` makes one instance and every `when` holds.
    pub skeleton: bool,
    pub findings: Vec<Finding>,
    /// Who uses a parameter: a step that runs, one that is switched off.
    pub used: HashMap<Arc<str>, (bool, bool)>,
}

impl Builder<'_, '_> {
    pub fn use_name(&mut self, name: &Arc<str>, runs: bool) {
        let (running, off) = self.used.entry(Arc::clone(name)).or_default();
        *running |= runs;
        *off |= !runs;
    }

    /// The findings of a string that is made before any step has run: an output is no unknown name there.
    pub fn too_early(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        let steps = || self.inputs.declarations.pipelines.values().flat_map(|pipeline| &pipeline.steps);
        let outputs = || steps().filter_map(|step| step.output.as_ref());
        for finding in findings.iter_mut().filter(|finding| finding.code == Code::UnknownParameter) {
            let name = finding.of.as_deref().unwrap_or_default();
            let first = name.split('.').next().unwrap_or_default();
            if outputs().any(|output| &*output.name.value == first) {
                finding.message =
                    format!("`{first}` is an output, and what stands here is needed before any step has run");
                finding.help =
                    format!("use `${{{name}}}` in the steps themselves: they need nobody to give it to them");
            }
        }
        findings
    }
}

/// A place in environment.toml.
#[must_use]
pub fn environment_place(span: Span) -> Place {
    Place { file: Utf8Path::new(declare::ENVIRONMENT).into(), span }
}
