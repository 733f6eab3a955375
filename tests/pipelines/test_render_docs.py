from pipelines.render_docs import README, render


def test_the_readme_is_what_the_code_says() -> None:
    text = README.read_text(encoding="utf-8")
    assert render(text) == text, "run python -m pipelines.render_docs"
