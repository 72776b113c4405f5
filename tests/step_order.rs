//! The order of the steps in every environment: a change of it is accepted here, so that nobody makes one unnoticed.
//! To accept: `cargo insta accept`, or `INSTA_UPDATE=always cargo test`; then read the difference before it is committed.

#[test]
fn step_order() {
    for (environment, order) in ciao::testing::step_orders() {
        insta::assert_snapshot!(environment, order);
    }
}
