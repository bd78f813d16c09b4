"""Token backbones behind one interface: factorised patches, and the published Lingshu recipe."""
