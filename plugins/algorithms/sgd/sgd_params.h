#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/region.h"
#include "modeldiff/schedule.h"

namespace modeldiff {

enum class OptimizerKind { sgd, adamw };

template <>
struct Choices<OptimizerKind> {
  static constexpr std::pair<OptimizerKind, const char*> names[] = {
      {OptimizerKind::sgd, "sgd"}, {OptimizerKind::adamw, "adamw"}};
};

enum class AugmentationKind { flip, crop, shift, rotate, colour, cutout, erase, mixup };

template <>
struct Choices<AugmentationKind> {
  static constexpr std::pair<AugmentationKind, const char*> names[] = {
      {AugmentationKind::flip, "flip"},     {AugmentationKind::crop, "crop"},
      {AugmentationKind::shift, "shift"},   {AugmentationKind::rotate, "rotate"},
      {AugmentationKind::colour, "colour"}, {AugmentationKind::cutout, "cutout"},
      {AugmentationKind::erase, "erase"},   {AugmentationKind::mixup, "mixup"}};
};

/// One random change of the training images. Every kind but `flip` has one key that says how strong
/// it is, and has to be given; 0 leaves the images as they are.
struct AugmentationParams {
  AugmentationKind kind = AugmentationKind::flip;
  std::optional<double> probability;
  std::optional<std::int64_t> pad;
  std::optional<double> scale;
  std::optional<std::int64_t> pixels;
  std::optional<double> degrees;
  std::optional<double> jitter;
  std::optional<std::int64_t> size;
  std::optional<Region> region;
  std::optional<double> alpha;

  static Schema<AugmentationParams> schema() {
    return Schema<AugmentationParams>("augmentation")
        .field("kind", &AugmentationParams::kind,
               "`flip`: left and right; `crop`: a window of the padded image; `shift`: by whole "
               "pixels; `rotate`; "
               "`colour`: brightness, contrast, saturation; `cutout`: a square at a random place; "
               "`erase`: a fixed "
               "region; `mixup`: with another image of the batch. What enters from outside or is "
               "cut out is the data "
               "set's fill.")
        .field("probability", &AugmentationParams::probability,
               "Chance that an image is changed; left out: 0.5 for `flip` and `erase`, 1 for the "
               "others.",
               at_least(0), at_most(1))
        .field("pad", &AugmentationParams::pad,
               "`crop`: width of the border that is added on each side; left out: 0.", at_least(0),
               unit("pixels"))
        .field("scale", &AugmentationParams::scale,
               "`crop`: least share of the image's area that the window has, drawn evenly up to 1, "
               "and scaled back to "
               "full size; left out: 1.",
               more_than(0), at_most(1))
        .field("pixels", &AugmentationParams::pixels, "`shift`: most in each direction.",
               at_least(0), unit("pixels"))
        .field("degrees", &AugmentationParams::degrees, "`rotate`: most in each direction.",
               at_least(0), at_most(180), unit("degrees"))
        .field("jitter", &AugmentationParams::jitter,
               "`colour`: the three factors are drawn from 1 - jitter to 1 + jitter.", at_least(0),
               at_most(1))
        .field("size", &AugmentationParams::size, "`cutout`: side of the square.", at_least(0),
               unit("pixels"))
        .field("region", &AugmentationParams::region, "`erase`: the pixels that are hidden.",
               shorthand_for("shape"))
        .field("alpha", &AugmentationParams::alpha,
               "`mixup`: the share of the image itself is drawn from Beta(alpha, alpha).",
               at_least(0));
  }
};

/// Where training starts.
struct InitParams {
  std::optional<Reference> from;
  std::optional<std::int64_t> run;
  std::optional<DataPath> file;
  bool replace_head = false;

  static Schema<InitParams> schema() {
    return Schema<InitParams>("init")
        .field("from", &InitParams::from, "The algorithm whose trained weights are the start.",
               names_entry_of("algorithms"))
        .field("run", &InitParams::run, "Which of its runs; left out: that of the same number.",
               at_least(0))
        .field("file", &InitParams::file,
               "A safetensors file with the tensors of the model, by name.")
        .field("replace_head", &InitParams::replace_head,
               "Start the last layer anew, as when the classes are others.");
  }
};

/// Parameters of the learning algorithm `sgd`.
struct SgdParams {
  PluginChoice model;
  std::optional<std::int64_t> epochs;
  std::optional<std::int64_t> steps;
  std::int64_t batch = 50;
  bool drop_last = false;
  double lr = 0.1;
  ScheduleParams schedule;
  OptimizerKind optimizer = OptimizerKind::sgd;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 5e-4;
  std::vector<double> betas{0.9, 0.999};
  double epsilon = 1e-8;
  std::optional<double> clip;
  double label_smoothing = 0;
  std::optional<Region> input_mask;
  std::vector<AugmentationParams> augment;
  InitParams init;

  static Schema<SgdParams> schema() {
    return Schema<SgdParams>("sgd")
        .required("model", &SgdParams::model, "The architecture.", plugin_of("models"))
        .field("epochs", &SgdParams::epochs,
               "Passes over the training set; a run on a subset makes fewer steps.", at_least(1))
        .field("steps", &SgdParams::steps, "Instead of `epochs`: steps, also of a run on a subset.",
               at_least(1))
        .field("batch", &SgdParams::batch, "Examples in a step.", at_least(1))
        .field("drop_last", &SgdParams::drop_last,
               "Leave out the smaller batch at the end of an epoch.")
        .field("lr", &SgdParams::lr, "Highest learning rate.", more_than(0))
        .field("schedule", &SgdParams::schedule, "How the learning rate moves over the run.",
               shorthand_for("kind"))
        .field("optimizer", &SgdParams::optimizer, "`sgd` with momentum or `adamw`.")
        .field("momentum", &SgdParams::momentum, "Of `sgd`: share of the last update that is kept.",
               at_least(0), less_than(1))
        .field("nesterov", &SgdParams::nesterov, "Of `sgd`: Nesterov's form of momentum.")
        .field("weight_decay", &SgdParams::weight_decay,
               "`sgd`: added to the gradient, times the weights; `adamw`: decoupled, times the "
               "learning rate. Of all "
               "parameters.",
               at_least(0))
        .field("betas", &SgdParams::betas, "Of `adamw`: shares of the moments that are kept.",
               item_count(2, 2), each_item(at_least(0)), each_item(less_than(1)))
        .field("epsilon", &SgdParams::epsilon,
               "Of `adamw`: added to the root of the second moment.", more_than(0))
        .field("clip", &SgdParams::clip,
               "Largest norm of the gradient; a longer one is shortened to it.", more_than(0))
        .field("label_smoothing", &SgdParams::label_smoothing,
               "Share of each label that is spread evenly over all classes; 0 in a regression.",
               at_least(0), less_than(1))
        .field("input_mask", &SgdParams::input_mask,
               "Pixels that the model never sees, in training and in use: they show the data set's "
               "fill.",
               shorthand_for("shape"))
        .field("augment", &SgdParams::augment,
               "Random changes of the training images, in this order.", shorthand_for("kind"))
        .field("init", &SgdParams::init, "Where training starts; left out: fresh weights.",
               shorthand_for("from"));
  }
};

}  // namespace modeldiff
