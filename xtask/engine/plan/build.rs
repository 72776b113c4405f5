//! From declarations to a plan: calls and instances, order, and every string with its provenance.
//!
//! Pure. What is wrong becomes findings; a plan is made whenever one can be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use camino::Utf8Path;

use super::graph::{self, Problem, run_order};
use super::names::{Named, Names, missing, names};
use super::scope::{Maker, Scope, Use};
use super::{Call, Graph, Plan, Tree};
use crate::declare::environment::Deploy;
use crate::declare::literal::Spanned;
use crate::declare::step::{ForEach, Step as Declared, When};
use crate::declare::{self, Declarations, pipeline_file};
use crate::finding::{Code, Finding, Place, Span, suggest};
use crate::task::Tasks;

/// A plan, with what is needed to prove things about it.
pub struct Built<'d> {
    pub plan: Plan,
    /// For every step of the plan, where it was declared.
    pub origins: Vec<Origin<'d>>,
    /// Which step uses the output of which.
    pub uses: Vec<Use>,
}

#[derive(Clone, Copy)]
pub struct Origin<'d> {
    pub declared: &'d Declared,
    pub file: &'d Arc<Utf8Path>,
    /// Index of the `[[deploy]]`.
    pub deploy: usize,
}

/// Everything a plan is made from.
#[derive(Clone, Copy)]
pub struct Inputs<'d> {
    pub declarations: &'d Declarations,
    pub tasks: &'d Tasks,
    /// The texts, for line numbers.
    pub sources: &'d crate::sources::Sources,
}

/// The item of a `for_each`.
#[derive(Debug, Clone)]
pub struct Item {
    pub name: String,
    pub tree: Arc<Named>,
}

/// One instance of a call, before its steps are made.
struct Instance<'d> {
    deploy: usize,
    item: Option<Item>,
    own: HashMap<Arc<str>, Named>,
    runs: bool,
    pipeline: &'d declare::Pipeline,
    file: Arc<Utf8Path>,
}

/// One instance of a step, before its strings are made.
struct Draft<'d> {
    call: usize,
    /// Index among the steps of its pipeline.
    index: usize,
    declared: &'d Declared,
    item: Option<Item>,
    runs: bool,
}

/// Builds the plan of one environment. Findings come with it; there is none if its order has a cycle.
#[must_use]
pub fn build<'d>(inputs: Inputs<'d>, environment: &str, files: &'d Files) -> (Option<Built<'d>>, Vec<Finding>) {
    let mut findings = Vec::new();
    let none = declare::Values::none(&declare::values_file(environment));
    let values = inputs.declarations.values_of(environment).unwrap_or(&none);
    let names = names(inputs.declarations, environment, values, &mut findings);
    let mut builder = Builder { inputs, environment, files, names, findings, used: HashMap::new() };
    let instances = builder.instances();
    let drafts = builder.drafts(&instances);
    let built = builder.assemble(&instances, drafts);
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

/// The file of every pipeline, made once.
pub type Files = BTreeMap<Arc<str>, Arc<Utf8Path>>;

/// The files of all pipelines.
#[must_use]
pub fn files(declarations: &Declarations) -> Files {
    declarations.pipelines.keys().map(|name| (Arc::clone(name), Arc::from(pipeline_file(name).as_path()))).collect()
}

struct Builder<'d, 'e> {
    inputs: Inputs<'d>,
    environment: &'e str,
    files: &'d Files,
    names: Names,
    findings: Vec<Finding>,
    /// Who uses a parameter: a step that runs, one that is switched off.
    used: HashMap<Arc<str>, (bool, bool)>,
}

fn environment_place(span: Span) -> Place {
    Place { file: Utf8Path::new(declare::ENVIRONMENT).into(), span }
}

impl<'d> Builder<'d, '_> {
    fn use_name(&mut self, name: &Arc<str>, runs: bool) {
        let (running, off) = self.used.entry(Arc::clone(name)).or_default();
        *running |= runs;
        *off |= !runs;
    }

    /// The parameters that have no value and should: all but those that only switched-off steps use.
    fn absent(&self) -> Vec<Arc<str>> {
        let parameters = &self.inputs.declarations.environment.parameters;
        let absent = |name: &Arc<str>| {
            self.names.by_name.get(name).is_some_and(|named| named.missing)
                && !matches!(self.used.get(name), Some((false, true)))
        };
        parameters.iter().map(|parameter| Arc::clone(&parameter.name)).filter(absent).collect()
    }

    /// The calls, one for each item where there is a `for_each`.
    fn instances(&mut self) -> Vec<Instance<'d>> {
        let declarations = self.inputs.declarations;
        let mut instances = Vec::new();
        for (index, deploy) in declarations.environment.deploy.iter().enumerate() {
            let Some((name, pipeline)) = declarations.pipelines.get_key_value(&deploy.pipeline.value) else {
                let names = declarations.pipelines.keys().map(|name| &**name).collect::<Vec<_>>();
                let message = format!("there is no pipeline `{}`", deploy.pipeline.value);
                let mut help = suggest(&deploy.pipeline.value, "pipelines", names);
                help += &format!("; it would stand in {}", pipeline_file(&deploy.pipeline.value));
                let place = environment_place(deploy.pipeline.span);
                self.findings.push(Finding::error(Code::UnknownPipeline, place, message, help));
                continue;
            };
            let runs = self.when(deploy.when.as_ref(), &HashMap::new(), &environment_place(deploy.span).file, true);
            let file = &self.files[name];
            for item in
                self.items(deploy.for_each.as_ref(), &HashMap::new(), &environment_place(Span::default()).file, runs)
            {
                let own = self.own(deploy, pipeline, file, item.as_ref(), runs);
                instances.push(Instance { deploy: index, item, own, runs, pipeline, file: Arc::clone(file) });
            }
        }
        instances
    }

    /// Whether a condition holds. Without a value it is taken to hold: the missing value is a finding of its own.
    fn when(&mut self, when: Option<&When>, own: &HashMap<Arc<str>, Named>, file: &Arc<Utf8Path>, outer: bool) -> bool {
        let Some(when) = when else { return outer };
        if !own.contains_key(&when.name) && self.names.by_name.contains_key(&when.name) {
            self.use_name(&when.name, outer);
        }
        let place = Place { file: Arc::clone(file), span: when.span };
        let holds = match own.get(&when.name).or_else(|| self.names.by_name.get(&when.name)) {
            None => {
                let names: Vec<&str> = own.keys().chain(self.names.by_name.keys()).map(|name| &**name).collect();
                let help = suggest(&when.name, "parameters", sorted(names));
                let message = format!("no parameter or constant `{}`", when.name);
                self.findings.push(Finding::error(Code::UnknownParameter, place, message, help));
                true
            }
            Some(named) => match &named.tree {
                Some(Tree::Boolean(value)) => *value != when.opposite,
                None => true,
                Some(_) => {
                    let message = format!("`{}` is not a boolean", when.name);
                    let help = "name a boolean parameter or constant; there are no expressions";
                    self.findings.push(Finding::error(Code::WrongType, place, message, help));
                    true
                }
            },
        };
        outer && holds
    }

    /// The items of a `for_each`; one `None` without it, and where it is switched off and has no list.
    fn items(
        &mut self,
        for_each: Option<&ForEach>,
        own: &HashMap<Arc<str>, Named>,
        file: &Arc<Utf8Path>,
        runs: bool,
    ) -> Vec<Option<Item>> {
        let (span, items, key) = match for_each {
            None => return vec![None],
            Some(ForEach::Items(items, span)) => {
                let trees = items.iter().map(|item| plain_tree(&item.value)).collect();
                (*span, Some(trees), None)
            }
            Some(ForEach::Name(name)) => {
                if !own.contains_key(&name.value) && self.names.by_name.contains_key(&name.value) {
                    self.use_name(&name.value, runs);
                }
                let found = own.get(&name.value).or_else(|| self.names.by_name.get(&name.value));
                let place = Place { file: Arc::clone(file), span: name.span };
                match found.map(|named| (&named.tree, &named.key)) {
                    Some((Some(Tree::List(items)), key)) => {
                        (name.span, Some(items.iter().map(|item| Some(item.clone())).collect()), key.clone())
                    }
                    Some((None, _)) => (name.span, None, None),
                    Some((Some(_), _)) => {
                        let message = format!("`{}` is not a list", name.value);
                        let help = "name a parameter with `list = true`, or write the list here";
                        self.findings.push(Finding::error(Code::WrongType, place, message, help));
                        (name.span, None, None)
                    }
                    None => {
                        let names: Vec<&str> =
                            own.keys().chain(self.names.by_name.keys()).map(|name| &**name).collect();
                        let help = suggest(&name.value, "parameters", sorted(names));
                        let message = format!("no parameter or constant `{}`", name.value);
                        self.findings.push(Finding::error(Code::UnknownParameter, place, message, help));
                        (name.span, None, None)
                    }
                }
            }
        };
        let place = Place { file: Arc::clone(file), span };
        match items {
            Some(items) => self.named_items(items, key.as_deref(), &place),
            None => vec![None],
        }
    }

    fn named_items(&mut self, items: Vec<Option<Tree>>, key: Option<&str>, place: &Place) -> Vec<Option<Item>> {
        let mut found: Vec<Option<Item>> = Vec::new();
        let mut seen = BTreeSet::new();
        for tree in items {
            let name = tree.as_ref().and_then(|tree| match (tree, key) {
                (Tree::Text(text), _) => text.known(),
                (Tree::Integer(integer), _) => Some(integer.to_string()),
                (Tree::Table(table), Some(key)) => match table.get(key) {
                    Some(Tree::Text(text)) => text.known(),
                    Some(Tree::Integer(integer)) => Some(integer.to_string()),
                    _ => None,
                },
                _ => None,
            });
            let (Some(name), Some(tree)) = (name, tree) else {
                let help = "an item is a string, an integer, or a table whose parameter declares `key = \"field\"`";
                self.findings.push(Finding::error(
                    Code::BadValue,
                    place.clone(),
                    "an item of the list has no name",
                    help,
                ));
                continue;
            };
            if !is_item(&name) {
                let message = format!("{name:?} cannot name an instance");
                let help = "use letters, digits, `.`, `_` and `-`, beginning with a letter or digit";
                self.findings
                    .push(Finding::error(Code::BadName, place.clone(), message, help).only_in(self.environment));
            } else if !seen.insert(name.clone()) {
                let message = format!("`{name}` stands in the list twice");
                let finding = Finding::error(Code::DuplicateName, place.clone(), message, "remove one of the two");
                self.findings.push(finding.only_in(self.environment));
            } else {
                found.push(Some(Item { name, tree: Arc::new(Named::new("each".into(), Some(tree))) }));
            }
        }
        found
    }

    /// The pipeline's own parameters for one call.
    fn own(
        &mut self,
        deploy: &'d Deploy,
        pipeline: &'d declare::Pipeline,
        file: &Arc<Utf8Path>,
        item: Option<&Item>,
        runs: bool,
    ) -> HashMap<Arc<str>, Named> {
        let place = environment_place(deploy.span);
        let known = || pipeline.parameters.iter().map(|parameter| &*parameter.name);
        for (key, _) in deploy.with.iter().filter(|(key, _)| !known().any(|name| name == &*key.value)) {
            let message = format!("pipeline `{}` declares no parameter `{}`", deploy.pipeline.value, key.value);
            let help = suggest(&key.value, "parameters of the pipeline", known().collect::<Vec<_>>());
            let place = environment_place(key.span);
            self.findings.push(Finding::error(Code::UnknownParameter, place, message, help).of(&*key.value));
        }
        let mut scope = Scope::new(self.environment, &self.names, &place.file, runs);
        scope.each = item.map(|item| Arc::clone(&item.tree));
        let mut own = HashMap::new();
        let mut secrets = BTreeMap::new();
        for parameter in &pipeline.parameters {
            let given = deploy.with.iter().find(|(key, _)| key.value == parameter.name);
            let tree = match (given, &parameter.default) {
                (Some((_, given)), _) => scope.argument(given, parameter),
                (None, Some(default)) => {
                    let pipeline = &self.inputs.declarations.environment;
                    let findings = &mut scope.findings;
                    super::value::Shapes {
                        file,
                        pipeline,
                        environment: self.environment,
                        findings,
                        secrets: &mut secrets,
                    }
                    .check(parameter, &parameter.name, default)
                }
                (None, None) => {
                    let message = format!("the call of `{}` gives no `{}`", deploy.pipeline.value, parameter.name);
                    let help = format!("add it: `with = {{ {} = … }}`", parameter.name);
                    let declared = Place { file: Arc::clone(file), span: parameter.span };
                    let finding = Finding::error(Code::MissingValue, place.clone(), message, help).of(&*parameter.name);
                    scope.findings.push(finding.related(declared, "declared here"));
                    None
                }
            };
            let mut named = Named::new(Arc::clone(&parameter.name), tree);
            named.key.clone_from(&parameter.key);
            own.insert(Arc::clone(&parameter.name), named);
        }
        let (findings, used) = (scope.findings, scope.used);
        self.findings.extend(findings);
        used.iter().for_each(|name| self.use_name(name, runs));
        own
    }

    fn drafts(&mut self, instances: &[Instance<'d>]) -> Vec<Draft<'d>> {
        let mut drafts = Vec::new();
        for (call, instance) in instances.iter().enumerate() {
            for (index, declared) in instance.pipeline.steps.iter().enumerate() {
                let runs = self.when(declared.when.as_ref(), &instance.own, &instance.file, instance.runs);
                for item in self.items(declared.for_each.as_ref(), &instance.own, &instance.file, runs) {
                    drafts.push(Draft { call, index, declared, item, runs });
                }
            }
        }
        drafts
    }

    fn assemble(&mut self, instances: &[Instance<'d>], drafts: Vec<Draft<'d>>) -> Option<Built<'d>> {
        let needs = self.order(instances, &drafts)?;
        let order = run_order(&needs, drafts.len())?;
        let listed: Vec<u32> = order.into_iter().filter(|node| (*node as usize) < drafts.len()).collect();
        let mut position = vec![0_u32; needs.len()];
        listed.iter().enumerate().for_each(|(new, old)| position[*old as usize] = new as u32);
        (drafts.len()..needs.len()).for_each(|join| position[join] = join as u32);
        let mut graph = Graph { needs: vec![Vec::new(); needs.len()], steps: drafts.len() };
        for (old, own) in needs.iter().enumerate() {
            let mut own: Vec<u32> = own.iter().map(|need| position[*need as usize]).collect();
            own.sort_unstable();
            graph.needs[position[old] as usize] = own;
        }
        let makers = self.makers(instances, &drafts, &position);
        let mut calls = Vec::with_capacity(instances.len());
        let mut shared = Vec::with_capacity(instances.len());
        for (index, instance) in instances.iter().enumerate() {
            let (call, common) = self.call(index, instance, &makers);
            calls.push(call);
            shared.push(common);
        }
        let lines: HashMap<&Utf8Path, Vec<usize>> = self
            .files
            .values()
            .map(|file| (&**file, line_starts(self.inputs.sources.text(file.as_str()).unwrap_or_default())))
            .collect();
        let mut built = Built {
            plan: Plan {
                environment: self.environment.to_owned(),
                personal: self.inputs.declarations.is_personal(self.environment),
                env: BTreeMap::new(),
                calls,
                steps: Vec::with_capacity(drafts.len()),
                graph,
                secrets: BTreeMap::new(),
            },
            origins: Vec::with_capacity(drafts.len()),
            uses: Vec::new(),
        };
        let everywhere = self.shared_env(&mut built.plan);
        for (index, old) in listed.iter().enumerate() {
            let draft = &drafts[*old as usize];
            let instance = &instances[draft.call];
            let mut scope = Scope::new(self.environment, &self.names, &instance.file, draft.runs);
            scope.own = Some(&instance.own);
            scope.each = draft.item.as_ref().or(instance.item.as_ref()).map(|item| Arc::clone(&item.tree));
            scope.makers = Some(&makers);
            scope.step = index as u32;
            scope.call = draft.call;
            let mut step = scope.step(draft.declared, instance.pipeline, self.inputs.tasks);
            scope.identify(
                &mut step,
                &built.plan.calls[draft.call],
                draft.item.as_ref().map(|item| &*item.name),
                instance.item.as_ref().map(|item| &*item.name),
            );
            for common in [&everywhere, &shared[draft.call]] {
                step.parameters.extend(common.parameters.iter().cloned());
                step.secrets.extend(common.secrets.iter().cloned());
                scope.uses.extend(common.uses.iter().map(|used| Use { user: index as u32, ..used.clone() }));
            }
            step.when = when_written(&self.inputs.declarations.environment.deploy[instance.deploy], draft.declared);
            step.line = lines[&*instance.file].partition_point(|start| *start <= draft.declared.span.start as usize);
            step.file = instance.file.to_path_buf();
            let (found, uses) = (scope.findings, scope.uses);
            self.findings.extend(found);
            step.parameters.iter().for_each(|name| self.use_name(name, draft.runs));
            built.uses.extend(uses);
            built.plan.steps.push(step);
            built.origins.push(Origin {
                declared: draft.declared,
                file: &self.files[&self.inputs.declarations.environment.deploy[instance.deploy].pipeline.value],
                deploy: instance.deploy,
            });
        }
        let needed: BTreeSet<&Arc<str>> =
            built.plan.steps.iter().filter(|step| step.runs).flat_map(|step| &step.secrets).collect();
        built.plan.secrets = self
            .names
            .secrets
            .iter()
            .filter(|(name, _)| needed.contains(name))
            .map(|(name, source)| (Arc::clone(name), source.clone()))
            .collect();
        Some(built)
    }

    /// `[env]` is for every step; what it refers to counts as used by a step that runs.
    fn shared_env(&mut self, plan: &mut Plan) -> Common {
        let place = environment_place(Span::default());
        let mut scope = Scope::new(self.environment, &self.names, &place.file, true);
        plan.env = scope.env(&self.inputs.declarations.environment.env);
        let common = Common { parameters: scope.used, secrets: scope.secrets, uses: Vec::new() };
        self.findings.extend(scope.findings);
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
        let mut scope = Scope::new(self.environment, &self.names, &instance.file, instance.runs);
        scope.own = Some(&instance.own);
        scope.each = instance.item.as_ref().map(|item| Arc::clone(&item.tree));
        scope.makers = Some(makers);
        scope.call = index;
        let env = scope.env(&instance.pipeline.env);
        let common = Common { parameters: scope.used, secrets: scope.secrets, uses: scope.uses };
        self.findings.extend(scope.findings);
        let deploy = &self.inputs.declarations.environment.deploy[instance.deploy];
        let each = instance.item.as_ref().map(|item| item.name.clone());
        let name = deploy.name.value.to_string();
        let call = Call {
            id: each.as_ref().map_or_else(|| name.clone(), |each| format!("{name}[{each}]")),
            name,
            each,
            parallel: deploy.parallel,
            needs: deploy.needs.as_ref().map(|needs| needs.iter().map(|need| need.value.to_string()).collect()),
            env,
            pipeline: instance.file.to_path_buf(),
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

    /// The graph over the steps as listed, with joins behind them; `None` if there is a cycle.
    fn order(&mut self, instances: &[Instance<'d>], drafts: &[Draft<'d>]) -> Option<Vec<Vec<u32>>> {
        let deploy = &self.inputs.declarations.environment.deploy;
        let items: Vec<graph::Item<'_>> = deploy.iter().map(|call| (&call.name.value, call.needs.as_deref())).collect();
        let spans: Vec<Span> = deploy.iter().map(|call| call.name.span).collect();
        let calls = self.direct(&items, &spans, &environment_place(Span::default()).file, "call")?;
        let mut within: HashMap<&Utf8Path, Vec<Vec<u32>>> = HashMap::new();
        for instance in instances {
            if within.contains_key(&*instance.file) {
                continue;
            }
            let steps = &instance.pipeline.steps;
            let items: Vec<graph::Item<'_>> =
                steps.iter().map(|step| (&step.name.value, step.needs.as_deref())).collect();
            let spans: Vec<Span> = steps.iter().map(|step| step.name.span).collect();
            within.insert(&instance.file, self.direct(&items, &spans, &instance.file, "step")?);
        }
        let mut joins = Joins { needs: vec![Vec::new(); drafts.len()] };
        let mut ends: Vec<Option<u32>> = vec![None; deploy.len()];
        let members = Members::new(deploy.len(), instances, drafts);
        let call_order = run_order(&calls, calls.len())?;
        for call in call_order {
            let start = joins.all(calls[call as usize].iter().filter_map(|need| ends[*need as usize]).collect());
            let parallel = deploy[call as usize].parallel;
            let mut last = start;
            let mut exits = Vec::new();
            for instance in &members.calls[call as usize] {
                let Instance { pipeline, file, .. } = &instances[*instance];
                let entry = if parallel { start } else { last };
                let exit = joins.pipeline(&within[&**file], pipeline, &members.steps[*instance], entry);
                exits.extend(exit);
                last = exit.or(last);
            }
            let end = if parallel { joins.all(exits) } else { last };
            ends[call as usize] = end.or(start);
        }
        Some(joins.needs)
    }

    /// The direct needs within one file. What is wrong with them is a finding.
    fn direct(
        &mut self,
        items: &[graph::Item<'_>],
        spans: &[Span],
        file: &Arc<Utf8Path>,
        what: &str,
    ) -> Option<Vec<Vec<u32>>> {
        let (needs, problems) = graph::direct_needs(items);
        let mut sound = true;
        for problem in problems {
            let place = |span| Place { file: Arc::clone(file), span };
            match problem {
                Problem::Unknown { of, need } => {
                    let need: &Spanned<Arc<str>> = &items[of].1.unwrap_or_default()[need];
                    let names: Vec<&str> =
                        items.iter().map(|(name, _)| &***name).filter(|name| *name != &**items[of].0).collect();
                    let plural = format!("other {what}s of this file");
                    let message = format!("{what} `{}` needs `{}`, which is not in this file", items[of].0, need.value);
                    let finding = Finding::error(
                        Code::UnknownNeed,
                        place(need.span),
                        message,
                        suggest(&need.value, &plural, names),
                    );
                    self.findings.push(finding.of(&**items[of].0));
                }
                Problem::Cycle(cycle) => {
                    sound = false;
                    let names: Vec<&str> = cycle.iter().chain(cycle.first()).map(|index| &**items[*index].0).collect();
                    let message = if cycle.len() == 1 {
                        format!("{what} `{}` needs itself", names[0])
                    } else {
                        format!("the {what}s need each other in a circle")
                    };
                    let path = shortened(&names);
                    let help = "remove one of these needs; what has no `needs` needs everything listed above it";
                    let finding = Finding::error(Code::Cycle, place(spans[cycle[0]]), message, help).of(names[0]);
                    self.findings.push(finding.note(format!("each needs the next: {path}")));
                }
            }
        }
        sound.then_some(needs)
    }
}

/// A long path with its middle left out.
fn shortened(names: &[&str]) -> String {
    if names.len() <= 24 {
        return names.join(" → ");
    }
    let (first, last) = (names[..12].join(" → "), names[names.len() - 12..].join(" → "));
    format!("{first} → … {} more … → {last}", names.len() - 24)
}

/// The instances of every call, and the drafts of every step of every instance, in their order.
struct Members {
    calls: Vec<Vec<usize>>,
    steps: Vec<Vec<Vec<u32>>>,
}

impl Members {
    fn new(count: usize, instances: &[Instance<'_>], drafts: &[Draft<'_>]) -> Members {
        let mut calls = vec![Vec::new(); count];
        instances.iter().enumerate().for_each(|(index, instance)| calls[instance.deploy].push(index));
        let mut steps: Vec<Vec<Vec<u32>>> =
            instances.iter().map(|instance| vec![Vec::new(); instance.pipeline.steps.len()]).collect();
        for (index, draft) in drafts.iter().enumerate() {
            steps[draft.call][draft.index].push(index as u32);
        }
        Members { calls, steps }
    }
}

/// The graph while joins are added to it.
struct Joins {
    needs: Vec<Vec<u32>>,
}

impl Joins {
    /// One node that stands for all of these; none for none.
    fn all(&mut self, mut nodes: Vec<u32>) -> Option<u32> {
        nodes.sort_unstable();
        nodes.dedup();
        if nodes.len() < 2 {
            return nodes.first().copied();
        }
        self.needs.push(nodes);
        Some(self.needs.len() as u32 - 1)
    }

    /// Orders the steps of one instance of a pipeline behind `entry`; gives what stands for all of them.
    fn pipeline(
        &mut self,
        direct: &[Vec<u32>],
        pipeline: &declare::Pipeline,
        members: &[Vec<u32>],
        entry: Option<u32>,
    ) -> Option<u32> {
        let mut ends: Vec<Option<u32>> = vec![None; members.len()];
        let mut is_needed = vec![false; members.len()];
        let order = run_order(direct, direct.len())?;
        for step in order {
            let step = step as usize;
            direct[step].iter().for_each(|need| is_needed[*need as usize] = true);
            let before: Vec<u32> = direct[step].iter().filter_map(|need| ends[*need as usize]).collect();
            let single = members[step].len() == 1;
            // A single step takes the nodes as they are; several instances share one join.
            let mut start = match before.len() {
                0 => entry.into_iter().collect(),
                _ if single => before,
                _ => self.all(before).into_iter().collect::<Vec<u32>>(),
            };
            start.sort_unstable();
            start.dedup();
            let mut last = start.clone();
            for member in &members[step] {
                self.needs[*member as usize] = if pipeline.steps[step].parallel { start.clone() } else { last };
                last = vec![*member];
            }
            ends[step] = match members[step].as_slice() {
                [] => self.all(start),
                many if pipeline.steps[step].parallel => self.all(many.to_vec()),
                [.., last] => Some(*last),
            };
        }
        let exits = (0..members.len()).filter(|step| !is_needed[*step]).filter_map(|step| ends[step]).collect();
        self.all(exits)
    }
}

/// The conditions of a step, as written: its call's and its own.
fn when_written(deploy: &Deploy, declared: &Declared) -> Vec<String> {
    [&deploy.when, &declared.when].into_iter().flatten().map(|when| when.written.to_string()).collect()
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// `[A-Za-z0-9][A-Za-z0-9._-]*`, so that an instance's id can be a file's name.
fn is_item(name: &str) -> bool {
    name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.len() <= 128
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn plain_tree(literal: &crate::declare::literal::Literal) -> Option<Tree> {
    use crate::declare::literal::Literal;
    match literal {
        Literal::String(text) => Some(Tree::Text(super::Text::literal(Arc::clone(text)))),
        Literal::Integer(integer) => Some(Tree::Integer(*integer)),
        _ => None,
    }
}
