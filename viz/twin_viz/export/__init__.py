"""A run in the formats of other programs: ParaView, scanpy and squidpy, tables."""
