//! The story behind all this, and a shop: small repositories, deployed for real.

#[path = "support/picture.rs"]
mod picture;
#[path = "support/repo.rs"]
mod repo;
#[path = "support/terminal.rs"]
mod terminal;

use repo::Repo;

/// What the readme says: load the data, then create the schema.
#[test]
fn the_order_of_the_vendors_readme_is_refused_and_nothing_runs() {
    let repository = Repo::copy("vendor-wrong-order");
    for environment in ["dev", "prod"] {
        let deployed = repository.run(&["deploy", environment]);
        assert_eq!(deployed.code, 2, "{}", deployed.stderr);
        assert_eq!(deployed.stdout, "");
        let found = "error[out-of-order]: `database/load-data` may run before `database/create-schema`, which provides `schema`";
        assert!(deployed.stderr.starts_with(found), "{}", deployed.stderr);
        assert!(!repository.path("installed").exists(), "something ran");
    }
}

/// As in test, by luck: there the schema was there already.
#[test]
fn the_vendors_scripts_do_fail_in_the_order_of_the_readme() {
    let repository = Repo::copy("vendor-wrong-order");
    let pipeline = "pipelines/deployments/database/pipeline.toml";
    repository.edit(pipeline, "requires = [\"schema\"]\n", "");
    let deployed = repository.run(&["deploy", "dev"]);
    assert_eq!(deployed.code, 1, "{}", deployed.stderr);
    assert!(deployed.stderr.contains("relation \"products\" does not exist"), "{}", deployed.stderr);
    repository.run(&["deploy", "dev"]);
    assert!(!repository.path("installed/dev/products").exists(), "a step ran after the one that failed");
}

#[test]
fn in_the_right_order_the_vendor_is_deployed_to_both_environments() {
    let repository = Repo::copy("vendor");
    for environment in ["dev", "prod"] {
        let deployed = repository.run(&["deploy", environment]);
        assert_eq!(deployed.code, 0, "{}", deployed.stderr);
        let products = std::fs::read_to_string(repository.path(&format!("installed/{environment}/products"))).unwrap();
        assert_eq!(products, "1;tea\n");
    }
}

#[test]
fn the_shop_goes_from_dev_to_prod_and_keeps_its_secrets() {
    let mut repository = Repo::copy("shop");
    for environment in ["DEV", "TEST", "PROD"] {
        repository.set(&format!("SHOP_{environment}_PASSWORD"), &format!("hunter2-of-{environment}"));
    }
    let orchestrated = repository.run(&["orchestrate"]);
    assert_eq!(orchestrated.code, 0, "{}", orchestrated.stderr);
    assert!(!orchestrated.stderr.contains("hunter2"), "{}", orchestrated.stderr);
    for machine in ["dev/eu-west", "test/eu-west", "test/us-east", "prod/eu-west", "prod/us-east"] {
        assert!(repository.path(&format!("installed/{machine}/configuration")).exists(), "{machine}");
    }
    assert!(!repository.path("installed/dev/us-east").exists());
    let again = repository.run(&["deploy", "prod"]);
    assert!(again.stderr.contains("database/load-data done already"), "{}", again.stderr);
}

#[test]
fn a_secret_that_is_not_set_stops_the_shop_before_its_first_step() {
    let repository = Repo::copy("shop");
    let deployed = repository.run(&["deploy", "dev"]);
    assert_eq!(deployed.code, 2, "{}", deployed.stderr);
    assert!(deployed.stderr.contains("SHOP_DEV_PASSWORD"), "{}", deployed.stderr);
    assert!(!repository.path("installed").exists(), "something ran");
}

#[test]
fn the_small_repositories_are_as_their_names_say() {
    for name in ["vendor", "shop"] {
        let checked = Repo::copy(name).run(&["check"]);
        assert_eq!((checked.code, checked.stdout.as_str()), (0, ""), "{name}: {}{}", checked.stdout, checked.stderr);
        assert!(checked.stderr.contains("nothing found"), "{name}: {}", checked.stderr);
    }
}

/// What these commands show on a terminal, one after the other.
#[track_caller]
fn shown(repository: &Repo, commands: &[(&str, i32)]) -> String {
    let mut text = String::new();
    for (command, expected) in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let (said, code) = terminal::on_terminal(repository.command(&words));
        assert_eq!(code, *expected, "{command}: {said}");
        text += &format!("\x1b[2m$\x1b[0m \x1b[1mcargo xtask {command}\x1b[0m\n{}\n", picture::settled(&said));
    }
    text.trim_end().to_owned()
}

/// Accepted as snapshots are: with `INSTA_UPDATE=always`. How long a step took is not compared.
#[track_caller]
fn check_picture(name: &str, title: &str, shown: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures").join(name);
    let now = picture::svg(title, shown);
    let timeless = |line: &str| {
        let pieces =
            line.split(" in ").map(|piece| piece.trim_start_matches(|of: char| of.is_ascii_digit() || of == '.'));
        pieces.collect::<Vec<_>>().join(" in ")
    };
    if std::env::var("INSTA_UPDATE").is_ok_and(|accept| accept == "always") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &now).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let (there, now) = (there.lines().map(timeless), now.lines().map(timeless));
    let accept =
        "if the program is right: INSTA_UPDATE=always cargo test --test vendor picture, and commit the picture";
    let differs: Vec<_> = there.clone().zip(now.clone()).filter(|(there, now)| there != now).collect();
    assert!(there.eq(now), "docs/pictures/{name} is not what is shown: {differs:#?}\n{accept}");
}

#[test]
fn the_picture_of_a_deployment_is_what_is_shown() {
    let repository = Repo::copy("vendor");
    repository.git(&["config", "user.name", "Ada"]);
    repository.git(&["config", "user.email", "ada@shop.example"]);
    let shown = shown(&repository, &[("deploy dev", 0), ("status", 0), ("orchestrate", 0)]);
    check_picture("deployment.svg", "A deployment to dev, where its release is then, and on to prod", &shown);
}

#[test]
fn the_picture_of_a_finding_is_what_is_shown() {
    let shown = shown(&Repo::copy("vendor-wrong-order"), &[("deploy dev", 2)]);
    check_picture("finding.svg", "A finding: a step may run before the one that provides what it requires", &shown);
}
