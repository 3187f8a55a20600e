//! The tests' servers and a gateway over them, kept running for work by hand:
//! `cargo test --workspace serve -- --ignored --nocapture`, and psql as it prints; it ends when its input does.

use integration::gateway::TestGateway;

use crate::shared::{shared, sources};

#[test]
#[ignore = "runs until its input ends"]
fn serve() {
    let shared = shared();
    let config = sources();
    let mut gateway = TestGateway::start(&config).unwrap();
    println!("postgres: {}", shared.postgres.url());
    println!("mariadb: port {}", shared.mariadb.port);
    for line in std::iter::once(Ok(String::new())).chain(std::io::stdin().lines()) {
        // A line of input starts the gateway anew, for example after a build.
        if line.unwrap() == "restart" {
            drop(gateway);
            gateway = TestGateway::start(&config).unwrap();
        }
        println!("psql '{}'", gateway.url());
    }
}
