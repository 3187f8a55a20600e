//! What the gateway takes the paths between the sites to be.

use std::time::Duration;

use integration::gateway::{GatewayConfig, TestGateway, connect};
use integration::site::TestSite;

use crate::client::{column, rows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_configured_measured_or_assumed() {
    let [eu, us] = ["eu", "us"].map(|name| TestSite::start(name, &GatewayConfig::default()).unwrap());
    let links = "[[link]]\nfrom = \"eu\"\nto = \"us\"\nmbit = 80\nrtt = \"90ms\"\nprice_per_gb = 0.5\n\n\
                 [[link]]\nfrom = \"us\"\nto = \"local\"\nblocked = true";
    let gateway =
        TestGateway::start(&GatewayConfig::default().remote_site(&eu).remote_site(&us).section(links)).unwrap();
    let client = connect(&gateway.url()).await.unwrap();
    for _ in 0..100 {
        if column(&client, "select name from narrows.sites where round_trip_ms > 0").await.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shown = rows(
        &client,
        "select concat_ws(' ', from_site, to_site, mbit, price_per_gb, origin, blocked) from narrows.links order by 1",
    );
    let shown: Vec<String> = shown.await.into_iter().flatten().flatten().collect();
    let expected = [
        "eu local 100 0 measured f",
        "eu us 80 0.5 configured f",
        "local eu 100 0 measured f",
        "local us 100 0 measured f",
        "us eu 100 0 assumed f",
        "us local 0 0 configured t",
    ];
    assert_eq!(shown, expected);
    let rtt = column(&client, "select rtt_ms from narrows.links where from_site = 'eu' and to_site = 'us'").await;
    assert_eq!(rtt[0].as_deref(), Some("90"));
    let near = column(&client, "select count(*) from narrows.links where rtt_ms between 0.1 and 2000").await;
    assert_eq!(near[0].as_deref(), Some("6"));
    let computing = column(&client, "select name from narrows.sites where computes order by name").await;
    assert_eq!(computing.into_iter().flatten().collect::<Vec<_>>(), ["eu", "us"]);
}
