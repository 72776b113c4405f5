//! From declarations to a plan: calls and instances, order, and every string with its provenance.
//!
//! Pure. What is wrong becomes findings; a plan is made whenever one can be.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use camino::Utf8Path;

use super::draft::{Builder, Draft, File, Instance, Item, environment_place};
use super::graph::run_order;
use super::names::{missing, names};
use super::scope::{Maker, Scope, Use};
use super::{Call, Graph, Plan, Step};
use ciao_base::map;
use ciao_declare::environment::Deploy;
use ciao_declare::finding::{Code, Finding, Place, Span};
use ciao_declare::step::{ForEach, Step as Declared};
use ciao_declare::{self as declare, pipeline_file};

pub use super::draft::{Files, Inputs, files};

/// A plan, with what is needed to prove things about it.
pub struct Built<'d> {
    pub plan: Plan,
    /// For every step of the plan, where it was declared.
    pub origins: Vec<Origin<'d>>,
    /// Which step uses the output of which.
    pub uses: Vec<Use>,
    /// Whether its order has a cycle, of which it is made without the needs: to be looked at, not to be run.
    pub cyclic: bool,
}

#[derive(Clone, Copy)]
pub struct Origin<'d> {
    pub declared: &'d Declared,
    pub pipeline: &'d declare::Pipeline,
    /// Index among the steps of its pipeline.
    pub index: usize,
    pub file: &'d Arc<Utf8Path>,
    /// Index of the `[[deploy]]`.
    pub deploy: usize,
}

/// Builds the plan of one environment. Findings come with it; there is none if a file cannot be read.
#[must_use]
pub fn build<'d>(inputs: Inputs<'d>, environment: &str, files: &'d Files) -> (Option<Built<'d>>, Vec<Finding>) {
    plan(inputs, environment, files, false)
}

/// The plan made without a single value, which therefore none can change: what the snapshots of the step order hold.
#[must_use]
pub fn skeleton(inputs: Inputs<'_>, environment: &str, files: &Files) -> Option<Plan> {
    plan(inputs, environment, files, true).0.filter(|built| !built.cyclic).map(|built| built.plan)
}

fn plan<'d>(
    inputs: Inputs<'d>,
    environment: &str,
    files: &'d Files,
    skeleton: bool,
) -> (Option<Built<'d>>, Vec<Finding>) {
    let mut findings = Vec::new();
    let none = declare::Values::none(&declare::values_file(environment));
    let values = inputs.declarations.values_of(environment).unwrap_or(&none);
    let broken = |file: &Utf8Path| inputs.declarations.is_broken(file);
    let like = values.like.as_ref().map(|like| declare::values_file(&like.value));
    if broken(declare::ENVIRONMENT.into()) {
        return (None, findings);
    }
    if let (Some(like), Some(file)) = (&values.like, like.filter(|file| broken(file))) {
        let place = Place { file: Arc::clone(&values.file), span: like.span };
        let message = format!("environment `{}`, which this one is like, cannot be read", like.value);
        findings.push(Finding::error(Code::Syntax, place, message, format!("mend {file}")).only_in(environment));
        return (None, findings);
    }
    let mut names = names(inputs.declarations, environment, values, &mut findings);
    if skeleton {
        names.forget_values();
    }
    let called = inputs.declarations.environment.deploy.iter().map(|deploy| pipeline_file(&deploy.pipeline.value));
    if called.into_iter().any(|file| broken(&file)) {
        return (None, findings);
    }
    let mut builder = Builder { inputs, environment, files, names, skeleton, findings, used: HashMap::new() };
    let instances = builder.instances();
    let drafts = builder.drafts(&instances);
    let built = builder.assemble(&instances, &drafts);
    let absent = builder.absent();
    let mut findings = builder.findings;
    findings.extend(missing(inputs.declarations, values, environment, &absent));
    (built, findings)
}

/// What all steps of a call, or all steps at all, use by the variables that are set for them.
struct Common {
    parameters: BTreeSet<Arc<str>>,
    secrets: BTreeSet<Arc<str>>,
    uses: Vec<Use>,
}

impl<'d> Builder<'d, '_> {
    /// The parameters that have no value and should: all but those that only switched-off steps use.
    fn absent(&self) -> Vec<Arc<str>> {
        let parameters = &self.inputs.declarations.environment.parameters;
        let absent = |name: &Arc<str>| {
            self.names.by_name.get(name).is_some_and(|named| named.missing)
                && !matches!(self.used.get(name), Some((false, true)))
        };
        parameters.iter().map(|parameter| Arc::clone(&parameter.name)).filter(absent).collect()
    }

    fn assemble(&mut self, instances: &[Instance<'d>], drafts: &[Draft<'d>]) -> Option<Built<'d>> {
        let (needs, cyclic) = self.order(instances, drafts);
        let order = run_order(&needs, drafts.len())?;
        let listed: Vec<u32> = order.into_iter().filter(|node| (*node as usize) < drafts.len()).collect();
        let (graph, position) = renumbered(needs, &listed);
        let makers = self.makers(instances, drafts, &position);
        let (calls, shared): (Vec<Call>, Vec<Common>) =
            instances.iter().enumerate().map(|(index, instance)| self.call(index, instance, &makers)).unzip();
        let text = |file: &Utf8Path| self.inputs.sources.text(file.as_str()).unwrap_or_default();
        let lines = |file: &'d File| &**file.lines.get_or_init(|| line_starts(text(&file.path)));
        let lines: Vec<&[usize]> = instances.iter().map(|instance| lines(instance.file)).collect();
        let personal = self.inputs.declarations.is_personal(self.environment);
        let mut plan = Plan::empty(self.environment, personal);
        (plan.calls, plan.graph) = (calls, graph);
        plan.steps.reserve(drafts.len());
        let mut built = Built { plan, origins: Vec::with_capacity(drafts.len()), uses: Vec::new(), cyclic };
        let everywhere = self.shared_env(&mut built.plan);
        for old in &listed {
            let draft = &drafts[*old as usize];
            let instance = &instances[draft.call];
            let common = [&everywhere, &shared[draft.call]];
            let mut step = self.step(&mut built, draft, instance, &makers, common);
            let start = draft.declared.span.start as usize;
            step.line = lines[draft.call].partition_point(|line| *line <= start);
            built.plan.steps.push(step);
            built.origins.push(Origin {
                declared: draft.declared,
                pipeline: instance.pipeline,
                index: draft.index,
                file: &instance.file.path,
                deploy: instance.deploy,
            });
        }
        let needed: BTreeSet<&Arc<str>> =
            built.plan.steps.iter().filter(|step| step.runs).flat_map(|step| &step.secrets).collect();
        let secrets = self.names.secrets.iter().filter(|(name, _)| needed.contains(name));
        built.plan.secrets = map(secrets.map(|(name, source)| (Arc::clone(name), source.clone())));
        Some(built)
    }

    /// The next step of the plan, with all its strings.
    fn step(
        &mut self,
        built: &mut Built<'d>,
        draft: &Draft<'d>,
        instance: &Instance<'d>,
        makers: &HashMap<Arc<str>, Vec<Maker>>,
        shared: [&Common; 2],
    ) -> Step {
        let index = built.plan.steps.len() as u32;
        let mut scope = Scope::new(self.environment, &self.names, &instance.file.path, draft.runs);
        scope.own = Some(&instance.own);
        scope.each = draft.item.as_ref().or(instance.item.as_ref()).map(|item| Arc::clone(&item.tree));
        scope.makers = Some(makers);
        scope.step = index;
        scope.call = draft.call;
        let mut step = scope.step(draft.declared, instance.pipeline, &instance.file.folder, self.inputs.tasks);
        let (own, outer) = (draft.item.as_ref(), instance.item.as_ref());
        let call = &built.plan.calls[draft.call];
        scope.identify(&mut step, call, own, outer);
        for common in shared {
            step.parameters.extend(common.parameters.iter().cloned());
            step.secrets.extend(common.secrets.iter().cloned());
            scope.uses.extend(common.uses.iter().map(|used| Use { user: index, ..used.clone() }));
        }
        step.when = when_written(&self.inputs.declarations.environment.deploy[instance.deploy], draft.declared);
        let (found, uses) = (scope.findings, scope.uses);
        self.findings.extend(found);
        step.parameters.iter().for_each(|name| self.use_name(name, draft.runs));
        built.uses.extend(uses);
        step
    }

    /// `[env]` is for every step; what it refers to counts as used by a step that runs.
    fn shared_env(&mut self, plan: &mut Plan) -> Common {
        let place = environment_place(Span::default());
        let mut scope = Scope::new(self.environment, &self.names, &place.file, true);
        plan.env = scope.env(&self.inputs.declarations.environment.env);
        let common = Common { parameters: scope.used, secrets: scope.secrets, uses: Vec::new() };
        let found = self.too_early(scope.findings);
        self.findings.extend(found);
        common.parameters.iter().for_each(|name| self.use_name(name, true));
        common
    }

    /// A call, and what the variables that it sets for all its steps use.
    fn call(
        &mut self,
        index: usize,
        instance: &Instance<'d>,
        makers: &HashMap<Arc<str>, Vec<Maker>>,
    ) -> (Call, Common) {
        let mut scope = Scope::new(self.environment, &self.names, &instance.file.path, instance.runs);
        scope.own = Some(&instance.own);
        scope.each = instance.item.as_ref().map(|item| Arc::clone(&item.tree));
        scope.makers = Some(makers);
        scope.call = index;
        let env = scope.env(&instance.pipeline.env);
        let common = Common { parameters: scope.used, secrets: scope.secrets, uses: scope.uses };
        self.findings.extend(scope.findings);
        let deploy = &self.inputs.declarations.environment.deploy[instance.deploy];
        let each = instance.item.as_ref().and_then(|item| item.name.clone());
        let name = deploy.name.value.to_string();
        let call = Call {
            id: name.clone() + &instance.item.as_ref().map_or_else(String::new, Item::in_brackets),
            name,
            each,
            for_each: deploy.for_each.as_ref().map(ForEach::written),
            parallel: deploy.parallel,
            needs: deploy.needs.as_ref().map(|needs| needs.iter().map(|need| need.value.to_string()).collect()),
            env,
            pipeline: Arc::clone(&instance.file.path),
        };
        (call, common)
    }

    /// Who makes which output.
    fn makers(
        &self,
        instances: &[Instance<'d>],
        drafts: &[Draft<'d>],
        position: &[u32],
    ) -> HashMap<Arc<str>, Vec<Maker>> {
        let mut makers: HashMap<Arc<str>, Vec<Maker>> = HashMap::new();
        for (index, draft) in drafts.iter().enumerate() {
            let Some(output) = &draft.declared.output else { continue };
            makers.entry(Arc::clone(&output.name.value)).or_default().push(Maker {
                step: position[index],
                call: draft.call,
                deploy: instances[draft.call].deploy,
                in_call_instance: instances[draft.call].item.is_some(),
                in_step_instance: draft.item.is_some(),
                runs: draft.runs,
                json: output.json,
                secret: output.secret,
                name: draft.declared.name.value.to_string(),
            });
        }
        makers
    }
}

/// The graph with its steps in the order listed, and the new number of every node.
fn renumbered(needs: Vec<Vec<u32>>, listed: &[u32]) -> (Graph, Vec<u32>) {
    let mut position: Vec<u32> = (0..needs.len() as u32).collect();
    listed.iter().enumerate().for_each(|(new, old)| position[*old as usize] = new as u32);
    let mut graph = Graph { needs: vec![Vec::new(); needs.len()], steps: listed.len() };
    for (old, mut own) in needs.into_iter().enumerate() {
        own.iter_mut().for_each(|need| *need = position[*need as usize]);
        own.sort_unstable();
        graph.needs[position[old] as usize] = own;
    }
    (graph, position)
}

/// The conditions of a step, as written: its call's and its own.
fn when_written(deploy: &Deploy, declared: &Declared) -> Vec<String> {
    [&deploy.when, &declared.when].into_iter().flatten().map(|when| when.written.to_string()).collect()
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}
