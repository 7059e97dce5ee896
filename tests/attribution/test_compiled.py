"""Compiled once: no retracing, no growth, safe to share between threads."""

import gc
import resource
import threading
import weakref

import numpy as np
import pytest
import zoo
from zoo_cases import case_of, zeros_allowed

import kerasviz as kv
from kerasviz.attribution import base


def test_one_function_serves_every_class_and_a_few_kinds_of_target_are_kept(monkeypatch):
    case = case_of("conv1d")
    explain = kv.Saliency(case.model)
    for number in range(4):
        explain(case.inputs, number)
    assert len(explain._functions) == 1
    monkeypatch.setattr(base, "_KEPT_FUNCTIONS", 3)
    ((key, function),) = explain._functions.items()
    for _ in range(5):
        explain(case.inputs, lambda scores: scores[:, 0])
        explain(case.inputs, 1)
    assert len(explain._functions) == 3
    assert explain._functions[key] is function, "what was used last must not be let go"


@pytest.mark.slow
def test_four_threads_share_an_explainer():
    """Each with its own class and kind of target, the first calls racing for the trace."""
    case = case_of("functional")
    inputs = zoo.images(12, 10, 3, count=5)
    wanted = {}
    for method in (kv.Saliency, kv.GuidedBackprop):
        alone = method(case.model)
        wanted[method] = [alone(inputs, number).values for number in range(4)]
    shared = {method: method(case.model) for method in wanted}
    found, errors = [], []

    def work(number):
        try:
            for turn in range(3):
                for method, explain in shared.items():
                    target = number if turn % 2 else (lambda scores, k=number: scores[:, k])
                    found.append((method, number, explain(inputs, target).values))
        except Exception as error:  # pragma: no cover - what the test is for
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(found) == 24
    for method, number, values in found:
        np.testing.assert_allclose(values, wanted[method][number], rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["saliency", "guided_grad_cam", "smooth_grad"])
def test_an_explainer_does_not_keep_the_model_alive(method):
    model = zoo.ZOO["shared_layer"]().model
    explain = kv.attribution.explainer(model, method)
    explain(zoo.images(12, 10, 3), [0, 1, 1])
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert explain(zoo.images(12, 10, 3), 1).values.any()


@pytest.mark.slow
def test_memory_does_not_grow():
    """Neither by calls nor by explainers that come and go, nor by fresh functions as targets."""
    case = case_of("functional")
    images = zoo.images(12, 10, 3, count=8)

    def work(calls):
        explain = kv.GradCAM(case.model)
        for i in range(calls):
            explain(images[: 1 + i % 8], 1)

    def grown(times, function):
        function()
        gc.collect()
        before = _resident()
        for _ in range(times):
            function()
        gc.collect()
        return _resident() - before

    with zeros_allowed():
        work(300)
        assert grown(1, lambda: work(600)) < 30
        assert grown(40, lambda: work(1)) < 60
        explain = kv.Saliency(case.model)
        for _ in range(20):
            explain(images, lambda scores: scores[:, 0])
        assert grown(60, lambda: explain(images, lambda scores: scores[:, 0])) < 60


def _resident():
    """MiB of memory in use."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
