#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "changes.h"
#include "common/ends.h"
#include "common/sizes.h"
#include "donors_params.h"
#include "modeldiff/core/random.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// The end of one direction.
struct End {
  std::int64_t direction = 0;  // index into the request's directions
  std::string name;
  std::vector<std::int64_t> examples;  // the strongest first

  std::vector<std::int64_t> first(std::int64_t count) const {
    const auto size = static_cast<std::int64_t>(examples.size());
    return {examples.begin(), examples.begin() + std::min(count, size)};
  }
};

/// Families 13, 20, 21 and 24 of the table in docs/modeldiff.md: images get something from the
/// training examples at an end of a direction. Each proposal carries, as its placebo, the same of
/// another training example of the donor's class, drawn at random from those that are not at the end.
class Donors final : public Proposer {
 public:
  explicit Donors(DonorsParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    std::vector<Transformation> out;
    for (std::size_t d = 0; d < request.directions.size(); ++d) {
      if (request.directions[d].rank >= params_.directions) continue;
      const End top = end_of(request.directions[d], d, /*positive=*/true),
                bottom = end_of(request.directions[d], d, /*positive=*/false);
      add_spectra(out, request, top);
      add_backgrounds(out, request, top);
      add_backgrounds(out, request, bottom);
      add_crops(out, request, top);
      add_style(out, request, top);
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    return changed(transformation, images).clamp(0, 1).contiguous();
  }

  std::optional<Transformation> placebo(const Transformation& transformation,
                                        RandomStream&) const override {
    Transformation out = transformation;
    for (auto& [name, tensor] : out.tensors) {
      if (const auto other = transformation.tensors.find("other_" + name);
          other != transformation.tensors.end())
        tensor = other->second;
    }
    out.label = "from a random donor: " + out.label;
    return out;
  }

 private:
  static at::Tensor changed(const Transformation& transformation, const at::Tensor& images) {
    const TensorMap& tensors = transformation.tensors;
    if (transformation.family == "phase_from_donor") return with_phase(images, tensors.at("donor"));
    if (transformation.family == "amplitude_from_donor")
      return with_amplitude(images, tensors.at("donor"));
    if (transformation.family == "background_from_donor")
      return at::where(tensors.at("kept"), images, tensors.at("donor"));
    if (transformation.family == "style_of_donors")
      return with_style(images, {tensors.at("mean"), tensors.at("covariance")});
    const at::Tensor& crop = tensors.at("donor");
    at::Tensor out = images.clone();
    Window{transformation.parameters.at("row").get<std::int64_t>(),
           transformation.parameters.at("column").get<std::int64_t>(), crop.size(1)}
        .of(out)
        .copy_(crop);
    return out;
  }

  End end_of(const Direction& direction, std::size_t index, bool positive) const {
    const std::int64_t wanted =
        std::max({params_.spectra, params_.backgrounds, params_.crops, params_.style});
    const at::Tensor rows = examples_at_end(direction, positive, wanted);
    return {
        static_cast<std::int64_t>(index),
        name_of_end(direction, positive),
        {rows.const_data_ptr<std::int64_t>(), rows.const_data_ptr<std::int64_t>() + rows.numel()}};
  }

  static at::Tensor image(const ProposeRequest& request, std::int64_t row) {
    return request.train.floats(row, row + 1)[0];
  }

  /// Another example for a donor: of its class and not at the end, or any if there is none such.
  static std::int64_t other(const ProposeRequest& request, const End& end, std::int64_t row) {
    const at::Tensor& labels = request.train.targets;
    const at::Tensor alike = labels.eq(labels[row].item<std::int64_t>())
                                 .index_fill(0, at::tensor(end.examples, at::kLong), false);
    const at::Tensor any = at::arange(request.train.size()).ne(row);
    const at::Tensor rows = (alike.any().item<bool>() ? alike : any).nonzero().squeeze(1);
    RandomStream random(request.seed, "donors." + end.name, static_cast<std::uint64_t>(row));
    return rows[static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(rows.size(0))))]
        .item<std::int64_t>();
  }

  void add_spectra(std::vector<Transformation>& out, const ProposeRequest& request,
                   const End& end) const {
    for (const std::int64_t row : end.first(params_.spectra)) {
      const TensorMap tensors{{"donor", image(request, row)},
                              {"other_donor", image(request, other(request, end, row))}};
      for (const char* what : {"phase", "amplitude"}) {
        out.push_back({"",
                       fmt::format("{}_from_donor", what),
                       fmt::format("{} of example {}, {}", what, row, end.name),
                       {{"example", row}},
                       tensors,
                       end.direction});
      }
    }
  }

  void add_backgrounds(std::vector<Transformation>& out, const ProposeRequest& request,
                       const End& end) const {
    const at::Tensor kept =
        ellipse(request.facts.input_shape[1], request.facts.input_shape[2], params_.ellipse);
    for (const std::int64_t row : end.first(params_.backgrounds)) {
      out.push_back({"",
                     "background_from_donor",
                     fmt::format("background of example {}, {}", row, end.name),
                     {{"example", row}},
                     {{"donor", image(request, row)},
                      {"other_donor", image(request, other(request, end, row))},
                      {"kept", kept}},
                     end.direction});
    }
  }

  /// The window in which the donor is least like the mean of its class.
  void add_crops(std::vector<Transformation>& out, const ProposeRequest& request,
                 const End& end) const {
    for (const std::int64_t row : end.first(params_.crops)) {
      const at::Tensor donor = image(request, row),
                       instead = image(request, other(request, end, row)),
                       of_class =
                           request.train.targets.eq(request.train.targets[row].item<std::int64_t>())
                               .nonzero()
                               .squeeze(1),
                       mean = request.train.select(of_class).floats().mean(0);
      for (const std::int64_t size : params_.windows) {
        const std::int64_t side = pixels_of(size, request.facts);
        if (side > std::min(donor.size(1), donor.size(2))) continue;
        const Window window = most_unusual_window(donor, mean, side);
        const auto add = [&](std::int64_t to_row, std::int64_t to_column, const char* where) {
          out.push_back(
              {"",
               "crop_from_donor",
               fmt::format("{}x{} window of example {} {}, {}", side, side, row, where, end.name),
               {{"example", row}, {"row", to_row}, {"column", to_column}},
               {{"donor", window.of(donor).contiguous()},
                {"other_donor", window.of(instead).contiguous()}},
               end.direction});
        };
        add(window.row, window.column, "at its place");
        if (window.row > 0 || window.column > 0) add(0, 0, "in the corner");
      }
    }
  }

  void add_style(std::vector<Transformation>& out, const ProposeRequest& request,
                 const End& end) const {
    const std::vector<std::int64_t> rows = end.first(params_.style);
    if (rows.empty()) return;
    std::vector<std::int64_t> instead;
    for (const std::int64_t row : rows) instead.push_back(other(request, end, row));
    const auto statistics = [&](const std::vector<std::int64_t>& of) {
      return channel_statistics(request.train.select(at::tensor(of, at::kLong)).floats());
    };
    const ChannelStatistics style = statistics(rows), random = statistics(instead);
    out.push_back({"",
                   "style_of_donors",
                   fmt::format("colours of {} examples, {}", rows.size(), end.name),
                   {{"examples", rows.size()}},
                   {{"mean", style.mean},
                    {"covariance", style.covariance},
                    {"other_mean", random.mean},
                    {"other_covariance", random.covariance}},
                   end.direction});
  }

  DonorsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "donors", "1.0",
                 "Phases, backgrounds, windows and colours of the training examples of a direction",
                 Donors, DonorsParams, R"({"data": "images"})");

}  // namespace modeldiff
