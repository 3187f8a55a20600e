//! The protocol between sites and gateways from its protobuf definition, without a `protoc` to install.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = "proto/narrows/v1/site.proto";
    println!("cargo:rerun-if-changed={file}");
    let descriptors = protox::compile([file], ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
