"""Pictures: `gate.html` of a gate run and `report.html` of stored benchmark runs, each one self-contained file."""
